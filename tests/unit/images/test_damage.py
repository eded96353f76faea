"""Images that are damaged in several ways at once come to pixels, or to an error with a code. `make fuzz` has more."""

from __future__ import annotations

from helpers.damage import come_to, damaged
from hypothesis import given, settings

from askpix.worker.image_form import ImageForm
from askpix.worker.images.quiet import quiet_decoders

CODES = {"decoded", "empty_file", "not_an_image", "image_damaged", "image_too_large"}


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(damaged())
def test_whatever_is_damaged_comes_to_pixels_or_a_code(data: bytes) -> None:
    quiet_decoders()
    assert come_to(data, ImageForm(width=384, height=384, resample="bicubic")) in CODES
