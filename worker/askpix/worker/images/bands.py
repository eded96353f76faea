"""Large images, a band of rows at a time: what is made of each on the way is then no second large image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

_PIXELS = 1 << 18
"""Of a band, or of a single row where that has more."""


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of an image."""

    top: int
    image: Image.Image


def bands(image: Image.Image, multiple: int = 1) -> Iterator[Band]:
    """Yields the bands of a loaded image, from its top.

    Args:
        multiple: what the height of each, but of the last, is a multiple of.
    """
    rows = max(_PIXELS // image.width // multiple, 1) * multiple
    if rows >= image.height:
        yield Band(0, image)
        return
    for top in range(0, image.height, rows):
        yield Band(top, image.crop((0, top, image.width, min(top + rows, image.height))))


def changed(
    image: Image.Image, change: Callable[[Image.Image], Image.Image], factors: tuple[int, int] = (1, 1)
) -> Image.Image:
    """Returns an image as `change` makes it, and averaged over blocks of so many columns and rows.

    Args:
        change: is given parts of the image, and returns as large ones, all in the same mode.
    """
    across, down = factors
    whole: Image.Image | None = None
    for band in bands(image, down):
        part = change(band.image)
        part = part if factors == (1, 1) else part.reduce(factors)
        if band.image is image:
            return part
        whole = whole or Image.new(part.mode, (-(-image.width // across), -(-image.height // down)))
        whole.paste(part, (0, band.top // down))
    assert whole is not None  # an image has rows
    return whole
