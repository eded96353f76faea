"""Images many times larger than an engine's: reduced early, they are nearly what they are in full; others exactly."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from helpers.photographs import photographs
from helpers.pictures import encoded
from PIL import Image, ImageDraw, ImageFont, ImageOps

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode
from askpix.worker.images.reduced import draft
from askpix.worker.item_errors import ImageError

Pixels = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 100, 60
FORM = ImageForm(width=WIDTH, height=HEIGHT)
AT_LEAST = {2: (760, 456), 4: (1520, 912), 8: (3040, 1824)}
"""By how many times a JPEG is reduced while it is decoded, from which width and height on: of 3.8 times the form's."""


def _sharp(name: str, size: tuple[int, int]) -> Image.Image:
    """Returns a photograph repeated at its own scale, so that it is as sharp as one can be at any size."""
    tile = np.asarray(Image.open(io.BytesIO(photographs()[name])).convert("RGB"))
    repeats = -(-size[1] // tile.shape[0]), -(-size[0] // tile.shape[1]), 1
    return Image.fromarray(np.tile(tile, repeats)[: size[1], : size[0]])


def _in_full(data: bytes, form: ImageForm) -> Pixels:
    """Decodes all of an image, and leaves nothing to anything but the filter."""
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image).convert("RGB")
    if form.width is None or form.height is None:
        return np.asarray(shown)
    return np.asarray(shown.resize((form.width, form.height), Image.Resampling[form.resample.upper()]))


def _difference(data: bytes, form: ImageForm = FORM) -> float:
    """Returns by how much an image differs from what it is in full: the mean over all values, of 255."""
    return float(np.abs(decode(data, form).pixels.astype(int) - _in_full(data, form)).mean())


@pytest.mark.parametrize("times", AT_LEAST)
@pytest.mark.parametrize("name", photographs())
def test_a_photograph_just_large_enough_differs_by_less_than_one_in_the_mean(name: str, times: int) -> None:
    # Given
    data = encoded(_sharp(name, AT_LEAST[times]), quality=90)

    # When
    difference = _difference(data)

    # Then
    assert 0 < difference < 0.6


def _letters(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(32)
    for top in range(0, size[1], 38):
        pen.text(
            (-top % 47 - 50, top), "The quick brown fox jumps over the lazy dog 0123456789 " * 8, "black", font=font
        )
    return image


def _fields(size: tuple[int, int]) -> Image.Image:
    across, down = np.arange(size[0]) // 32, np.arange(size[1])[:, None] // 32
    return Image.fromarray(np.array(((255, 0, 0), (0, 0, 255)), np.uint8)[(across + down) % 2])


HARD: dict[str, Callable[[tuple[int, int]], Image.Image]] = {
    "noise": lambda size: Image.fromarray(np.random.default_rng(4).integers(0, 256, (size[1], size[0], 3), np.uint8)),
    "a page of text": _letters,
    "edges of colour": _fields,
}


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("name", HARD)
def test_what_is_hard_to_reduce_differs_by_less_than_one_in_the_mean_too(name: str, times: int) -> None:
    assert 0 < _difference(encoded(HARD[name](AT_LEAST[times]), quality=90)) < 1


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "progressive": lambda image: encoded(image, progressive=True),
    "full colour": lambda image: encoded(image, quality=95, subsampling=0),
    "coarse colour": lambda image: encoded(image, subsampling=2, quality=60),
    "gray": lambda image: encoded(image.convert("L")),
    "CMYK": lambda image: encoded(image.convert("CMYK")),
    "PNG": lambda image: encoded(image, "PNG", compress_level=1),
    "PNG of an opaque image with alpha": lambda image: encoded(image.convert("RGBA"), "PNG", compress_level=1),
    "WebP": lambda image: encoded(image, "WEBP", quality=80, method=0),
    "MPO": lambda image: encoded(image, "MPO", save_all=True, append_images=[Image.new("RGB", image.size)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1521, 917), (1999, 1500), (900, 2300), (4000, 200)])
def test_large_images_of_any_kind_and_shape_differ_by_less_than_one_in_the_mean(
    kind: str, size: tuple[int, int]
) -> None:
    # Given
    data = KINDS[kind](_sharp("coffee", size))

    # When
    decoded = decode(data, FORM)

    # Then
    assert (decoded.width, decoded.height) == size
    assert 0 < _difference(data) < 0.6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_photograph_is_turned_and_its_size_is_the_one_it_is_shown_in(kind: str, orientation: int) -> None:
    # Given: one that has a row and a column more than any fraction of it
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(_sharp("rocket", (1529, 1601)), kind, exif=exif)

    # When
    decoded = decode(data, FORM)

    # Then
    assert (decoded.width, decoded.height) == ((1601, 1529) if orientation >= 5 else (1529, 1601))
    assert decoded.pixels.shape == (HEIGHT, WIDTH, 3)
    assert decoded.pixels.flags.c_contiguous
    assert 0 < _difference(data) < 0.6


@pytest.mark.parametrize("resample", ["bilinear", "hamming", "bicubic", "lanczos"])
def test_each_filter_that_fades_out_stays_as_near(resample: str) -> None:
    form = ImageForm(width=WIDTH, height=HEIGHT, resample=resample)  # type: ignore[arg-type]
    assert 0 < _difference(encoded(_sharp("china", (2000, 1500))), form) < 0.6


def test_the_edges_of_a_reduced_image_stay_where_they_are() -> None:
    # Given: black and white halves of each eighth, and a size that ends in the middle of a block of 8
    size = 8 * 400 + 1, 8 * 240 + 1
    stripes = np.arange(size[0]) * 16 // size[0] % 2 * 255
    data = encoded(Image.fromarray(np.tile(stripes.astype(np.uint8), (size[1], 1))), quality=95)

    # When
    difference = np.abs(decode(data, FORM).pixels.astype(int) - _in_full(data, FORM))

    # Then: a shift by a hundredth of a pixel would be seen
    assert difference.max() <= 4


EXACT: dict[str, tuple[bytes, ImageForm]] = {
    "one column too few": (encoded(_sharp("china", (AT_LEAST[2][0] - 1, AT_LEAST[2][1] - 1))), FORM),
    "turned, one column too few": (
        encoded(_sharp("china", (455, 759)), exif=b"Exif\0\0MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
        FORM,
    ),
    "PNG, one column too few": (encoded(_sharp("china", (759, 455)), "PNG"), FORM),
    "smaller than the form": (encoded(_sharp("china", (40, 30))), FORM),
    "gray": (encoded(_sharp("china", (700, 400)).convert("L")), FORM),
    "as large as the form": (encoded(_sharp("china", (WIDTH, HEIGHT))), FORM),
    "as large as the form, gray": (encoded(_sharp("china", (WIDTH, HEIGHT)).convert("L"), "PNG"), FORM),
    "large, of which the filter takes single pixels": (
        encoded(_sharp("china", (2000, 1500))),
        ImageForm(width=WIDTH, height=HEIGHT, resample="nearest"),
    ),
    "large, for a filter of hard edges": (
        encoded(_sharp("china", (2000, 1500))),
        ImageForm(width=WIDTH, height=HEIGHT, resample="box"),
    ),
    "large, for an engine that takes any size": (
        encoded(_sharp("china", (2000, 1500))),
        ImageForm(width=None, height=None),
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_an_image_that_is_not_reduced_is_exactly_what_it_is_in_full(name: str) -> None:
    data, form = EXACT[name]
    assert (decode(data, form).pixels == _in_full(data, form)).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1519, 5000), (760, 2500)),  # wide enough for 2 times, not for 4
        ((1520, 912), (380, 228)),
        ((1523, 915), (381, 229)),
        ((1520, 911), (760, 456)),  # high enough for 2 times only
        ((3040, 1824), (380, 228)),
        ((6080, 3648), (760, 456)),  # the decoder has no more than 8
        ((759, 5000), (759, 5000)),
        ((5000, 455), (5000, 455)),
    ],
)
def test_a_jpeg_is_decoded_at_the_smallest_fraction_that_is_large_enough(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    # Given
    with Image.open(io.BytesIO(encoded(Image.new("L", size)))) as image:
        # When
        box = draft(image, (WIDTH, HEIGHT), "bicubic")

        # Then
        assert image.size == expected
        fraction = -(-size[0] // expected[0])
        assert box == (None if expected == size else (0, 0, size[0] / fraction, size[1] / fraction))


@pytest.mark.parametrize("left", [0.02, 0.3, 0.7, 0.97])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_that_is_cut_short_fails_as_a_small_one_does(left: float, progressive: bool) -> None:
    # Given
    data = encoded(_sharp("china", (2000, 1500)), progressive=progressive)

    # When
    with pytest.raises(ImageError) as raised:
        decode(data[: int(len(data) * left)], FORM)

    # Then
    assert (raised.value.code, raised.value.retryable) == ("image_damaged", False)


def test_a_jpeg_of_too_many_pixels_is_refused_though_a_fraction_of_them_would_do() -> None:
    # Given: a header that says 60000x60000
    data = encoded(Image.new("L", (16, 16)))
    start = data.index(b"\xff\xc0") + 5
    data = data[:start] + (60_000).to_bytes(2, "big") * 2 + data[start + 4 :]

    # When
    with pytest.raises(ImageError) as raised:
        decode(data, FORM)

    # Then
    assert raised.value.code == "image_too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_nothing_of_an_image_is_kept_by_what_came_of_it(kind: str) -> None:
    # Given: one that is whole and one that is not, and nobody who tidies up
    data = encoded(_sharp("china", (2000, 1500)), kind)
    gc.collect()
    gc.disable()
    try:
        before = _images()

        # When
        decoded = decode(data, FORM)
        with pytest.raises(ImageError) as raised:
            decode(data[: len(data) // 2], FORM)

        # Then
        assert _images() == before
        assert decoded.pixels.size == WIDTH * HEIGHT * 3
        assert raised.value.__context__ is None
    finally:
        gc.enable()


def _images() -> int:
    # By their types: `isinstance` asks things for their class, which some answer with a warning.
    return sum(issubclass(type(thing), Image.Image) for thing in gc.get_objects())
