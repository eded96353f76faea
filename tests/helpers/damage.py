"""Images that are damaged in several ways at once, as a strategy of Hypothesis; and what they may come to."""

from __future__ import annotations

import numpy as np
from helpers.odd_images import ODD_IMAGES
from hypothesis import strategies as st

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decoder import Decoder
from askpix.worker.item_errors import ImageError
from askpix.worker.stopwatch import Stopwatch

WHOLE = [odd.data for odd in ODD_IMAGES]
"""Valid images of all formats; each is small, so that most of its bytes mean something."""

_NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 8_000, 100_000)
"""What sizes, counts and offsets go wrong at."""


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draws an image that was damaged up to four times."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        _damage(draw, data)
    return bytes(data)


def _damage(draw: st.DrawFn, data: bytearray) -> None:
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    match draw(st.sampled_from(("flip", "flip", "number", "cut", "lose", "repeat", "insert", "join"))):
        case "flip" if data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        case "number":
            number, width = draw(st.sampled_from(_NUMBERS)), draw(st.sampled_from((1, 2, 4)))
            written = (number & (1 << 8 * width) - 1).to_bytes(width, draw(st.sampled_from(("big", "little"))))
            data[at : at + width] = written
        case "cut":
            del data[at:]
        case "lose":
            del data[at : at + draw(st.integers(1, 200))]
        case "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 200))] * draw(st.integers(1, 20))
        case "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=64))
        case "join":
            other = draw(st.sampled_from(WHOLE))
            data[at:] = other[draw(st.integers(0, len(other) - 1)) :]


_DECODER = Decoder(0, None, stopwatch=Stopwatch())


def come_to(data: bytes, form: ImageForm) -> str:
    """Returns the code of what an image comes to, by the door that workers have."""
    try:
        decoded = _DECODER.decode(data, form)
    except ImageError as error:
        problem = error
    else:
        assert decoded.pixels.dtype == np.uint8
        assert decoded.pixels.shape == (form.height or decoded.height, form.width or decoded.width, 3)
        return "decoded"
    assert problem.message.isprintable(), problem.message
    assert len(problem.message) < 500
    return problem.code
