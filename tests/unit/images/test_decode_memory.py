"""What images need to be decoded is known from their headers, and what needs too much is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.loading_program import ImagesAlone
from helpers.pictures import encoded
from PIL import Image

from askpix.worker.access import Access
from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode
from askpix.worker.images.decoder import Decoder
from askpix.worker.images.memory import memory_for
from askpix.worker.item_errors import ImageError
from askpix.worker.loading import Loader
from askpix.worker.stopwatch import Stopwatch

FORM = ImageForm(width=384, height=384, resample="bicubic")
SIDE = 2_000


def _picture(form: str, **options: Any) -> bytes:
    # Of a size by which no JPEG is reduced for this form.
    return encoded(Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB"), form, **options)


@pytest.mark.parametrize(
    ("each", "form", "options"),
    [
        (4, "PNG", {"compress_level": 1}),
        (4, "BMP", {}),
        (4, "JPEG", {}),
        (3 + 4, "JPEG", {"progressive": True}),
        (6 + 4, "JPEG", {"progressive": True, "subsampling": 0}),
        (4, "TIFF", {}),
        (4 + 4, "TIFF", {"compression": "tiff_lzw", "tiffinfo": {278: SIDE}}),
        (4 + 4, "TIFF", {"tiffinfo": {274: 6}}),
        (17, "WEBP", {"method": 0}),
        (1.5 + 4 + 4, "AVIF", {"speed": 10}),
        (3 + 4 + 4, "AVIF", {"speed": 10, "subsampling": "4:4:4"}),
    ],
)
def test_it_goes_by_what_decoders_of_a_format_keep(each: float, form: str, options: dict[str, Any]) -> None:
    assert memory_for(_picture(form, **options), FORM) / SIDE**2 == pytest.approx(each, rel=0.02)


def test_what_must_be_turned_or_flattened_as_a_whole_is_counted() -> None:
    turned = Image.Exif()
    turned[274] = 6
    picture = Image.linear_gradient("L").resize((2_900, 2_900))
    decoder = Decoder(1, 30, stopwatch=Stopwatch())
    for mode, each in (("RGB", 4 + 4), ("RGBA", 4 + 4 + 4), ("P", 1 + 4 + 4)):
        data = encoded(picture.convert(mode), "PNG", compress_level=1, exif=turned)
        assert memory_for(data, FORM) / 2_900**2 == pytest.approx(each, rel=0.02)
        assert decoder.decode(data, FORM).width == 2_900
    decoder.close()


@pytest.mark.parametrize("processes", [0, 1])
def test_what_needs_more_than_there_is_is_too_large(processes: int) -> None:
    # Given
    decoder = Decoder(processes, 30, stopwatch=Stopwatch(), megabytes=64)
    large, small = _picture("WEBP", method=0), _picture("PNG", compress_level=1)

    # When
    with pytest.raises(ImageError) as raised:
        decoder.decode(large, FORM)

    # Then: the row says what to do; and others of its size go on.
    error = raised.value
    assert (error.code, error.retryable) == ("image_too_large", False)
    assert error.message == "to decode a WebP of 2000x2000 pixels takes 68 MB; ASKPIX_DECODE_MEGABYTES allows 64"
    assert decoder.decode(small, FORM).width == SIDE
    decoder.close()


@pytest.mark.parametrize("make", [lambda: b"", lambda: b"no image", lambda: _picture("PNG")[:40]])
def test_what_is_no_image_needs_none(make: Callable[[], bytes]) -> None:
    data = make()
    assert memory_for(data, FORM) == 0
    with pytest.raises(ImageError):
        decode(data, FORM)


def test_an_image_that_could_not_be_decoded_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(_picture("JPEG")[:1_000])
    loader = Loader(Access.of(files_roots=[str(tmp_path)]))
    problem = loader.load(str(tmp_path / "a.jpg"), ImagesAlone()).facts.problem
    assert problem is not None
    # Either would hold what was at hand when it was raised.
    assert (problem.code, problem.__traceback__, problem.__context__) == ("image_damaged", None, None)
    loader.close()


def test_a_reference_longer_than_all_that_may_be_held_waits_for_nothing_that_never_comes() -> None:
    loader = Loader(Access.of())
    problem = loader.load("data:image/png," + "%41" * 17_000_000, ImagesAlone()).facts.problem
    assert problem is not None
    assert problem.code == "not_an_image"
    loader.close()
