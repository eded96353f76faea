"""Decoding in processes of their own: as in the worker's, but what goes wrong there stays there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import pictures

from askpix.worker.engine.base import ImageForm
from askpix.worker.errors import ImageError
from askpix.worker.images import decoder
from askpix.worker.images.apart import DecodeProcesses
from askpix.worker.images.decode import decode
from askpix.worker.images.decoder import Decoder
from askpix.worker.stopwatch import Stopwatch

FORM = ImageForm(width=60, height=40, resample="bicubic")
AS_IT_IS = ImageForm(width=None, height=None, resample="bicubic")
POISONED = Path(__file__).parents[1] / "faults" / "poisoned"


@pytest.fixture
def processes() -> Iterator[DecodeProcesses]:
    processes = DecodeProcesses(1, 30, stopwatch=Stopwatch())
    yield processes
    processes.close()
    assert not multiprocessing.active_children()


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the next processes fail over images with certain ends."""
    monkeypatch.setenv("PYTHONPATH", str(POISONED))


def _error(processes: DecodeProcesses | Decoder, data: bytes, form: ImageForm = FORM) -> ImageError:
    with pytest.raises(ImageError) as raised:
        processes.decode(data, form)
    return raised.value


@pytest.mark.parametrize("form", [FORM, AS_IT_IS], ids=["resized", "as it is"])
def test_what_is_decoded_apart_is_the_same(processes: DecodeProcesses, form: ImageForm) -> None:
    for data in (pictures.jpeg(), pictures.exif_rotated_jpeg(), pictures.transparent_palette_png()):
        apart, here = processes.decode(data, form), decode(data, form)
        assert np.array_equal(apart.pixels, here.pixels)
        assert (apart.width, apart.height) == (here.width, here.height)


@pytest.mark.parametrize("data", [b"", b"text", pictures.truncated_jpeg()], ids=["nothing", "text", "half a JPEG"])
def test_what_cannot_be_decoded_has_the_same_code(processes: DecodeProcesses, data: bytes) -> None:
    with pytest.raises(ImageError) as raised:
        decode(data, FORM)
    error = _error(processes, data)
    assert (error.code, error.message, error.retryable) == (
        raised.value.code,
        raised.value.message,
        raised.value.retryable,
    )


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize(
    ("end", "code", "words", "retryable"),
    [
        ("#crash", "decoder_died", "SIGSEGV", False),
        ("#exit", "decoder_died", "exit code 1", False),
        ("#killed", "out_of_memory", "the system ended", True),
    ],
)
def test_the_end_of_a_decoder_costs_one_image(
    processes: DecodeProcesses, end: str, code: str, words: str, retryable: bool
) -> None:
    error = _error(processes, pictures.jpeg() + end.encode())
    assert (error.code, error.retryable) == (code, retryable)
    assert words in error.message
    assert processes.decode(pictures.jpeg(), FORM).pixels.shape == (40, 60, 3)


@pytest.mark.usefixtures("poisoned")
def test_an_image_that_takes_too_long_is_given_up() -> None:
    processes = DecodeProcesses(1, 0.5, stopwatch=Stopwatch())
    error = _error(processes, pictures.jpeg() + b"#hang")
    assert (error.code, error.retryable) == ("decode_timeout", False)
    processes.close()


def test_an_image_that_takes_too_much_memory_is_given_up() -> None:
    processes = DecodeProcesses(1, 30, memory=32 << 20, stopwatch=Stopwatch())
    large = pictures.encoded(pictures.product().resize((5_000, 5_000)), "PNG", compress_level=1)
    error = _error(processes, large, AS_IT_IS)
    assert (error.code, error.retryable) == ("image_too_large", True)
    assert processes.decode(pictures.jpeg(), FORM).pixels.shape == (40, 60, 3)
    processes.close()


@pytest.mark.usefixtures("poisoned")
def test_an_image_that_needs_more_than_there_is_for_all_is_decoded_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given room for small images alone
    monkeypatch.setattr(decoder, "MEMORY", 400_000)
    decoding = Decoder(0, 30, stopwatch=Stopwatch())
    large = pictures.encoded(pictures.product().resize((1_000, 1_000)), "PNG")

    # Then its end is not ours, and nothing of it is left
    assert decoding.decode(pictures.jpeg(), FORM).width == 260
    assert decoding.decode(large, FORM).width == 1_000
    assert not multiprocessing.active_children()
    assert _error(decoding, large + b"#crash").code == "decoder_died"
    decoding.close()


def test_in_a_process_that_may_have_no_other_it_waits_for_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "MEMORY", 1_000)
    decoding = Decoder(None, 30, stopwatch=Stopwatch())
    for _ in range(2):
        assert decoding.decode(pictures.jpeg(), FORM).width == 260
    decoding.close()
