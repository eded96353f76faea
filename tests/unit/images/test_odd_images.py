"""Odd but valid images: every pixel as a person should see it, worked out without askpix."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from helpers.golden import OddImage, Pixels
from helpers.large_images import LARGE_IMAGES
from helpers.odd_images import ODD_IMAGES
from PIL import Image

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode
from askpix.worker.images.quiet import quiet_decoders

AS_IT_IS = ImageForm(width=None, height=None)

ROUNDING = 2
"""Of 255, that any value of any pixel may be off: three roundings of a half, and one half for good measure."""


@pytest.fixture(autouse=True)
def as_in_a_worker() -> Iterator[None]:
    with warnings.catch_warnings():
        quiet_decoders()
        yield


def _differences(pixels: Pixels, seen: Pixels) -> Pixels:
    """Returns by how much each value is off."""
    return np.maximum(pixels, seen) - np.minimum(pixels, seen)


@pytest.mark.parametrize("odd", ODD_IMAGES, ids=lambda odd: odd.name)
def test_an_odd_image_is_decoded_to_what_a_person_should_see(odd: OddImage) -> None:
    # When
    decoded = decode(odd.data, AS_IT_IS)

    # Then
    assert (decoded.height, decoded.width) == odd.seen.shape[:2]
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape == odd.seen.shape
    differences = _differences(decoded.pixels, odd.seen)
    row, column, _ = np.unravel_index(differences.argmax(), differences.shape)
    pixel, expected = decoded.pixels[row, column], odd.seen[row, column]
    assert differences.max() <= ROUNDING, f"{pixel} instead of {expected} in row {row}, column {column}"


def test_no_two_odd_images_have_the_same_name() -> None:
    assert len({odd.name for odd in ODD_IMAGES}) == len(ODD_IMAGES)


@pytest.mark.parametrize("make", LARGE_IMAGES, ids=lambda make: make.__name__)
def test_a_large_odd_image_is_the_same_in_all_its_parts_and_nearly_so_when_it_is_made_small(
    make: Callable[[], OddImage],
) -> None:
    # Given
    odd = make()
    assert odd.seen.size > 3 * 8_000_000

    # When
    whole = decode(odd.data, AS_IT_IS).pixels
    small = decode(odd.data, ImageForm(width=64, height=64, resample="bicubic")).pixels

    # Then
    assert _differences(whole, odd.seen).max() <= ROUNDING
    # What blocks of pixels are averaged to first is not quite what the filter alone makes of them.
    filtered = Image.fromarray(odd.seen).resize((64, 64), Image.Resampling.BICUBIC, reducing_gap=None)
    differences = _differences(small, np.asarray(filtered))
    assert differences.mean() <= 1
    assert differences.max() <= 6
