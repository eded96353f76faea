"""Images far larger than an engine's, made smaller the cheap way first, then resized.

A JPEG is made 2, 4 or 8 times smaller by the decoder, which then leaves out the finest frequencies and most of
the work. Any image can be averaged over whole blocks of pixels. Either way what is left to the resampling
filter is `KEPT` times the engine's size or more, in both directions.
"""

from __future__ import annotations

import math

from PIL import Image

from askpix.worker.engine.base import Resample

KEPT = 3.8
"""How many times the engine's size a reduced image must still be."""

Size = tuple[int, int]
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge, in pixels."""


def draft(image: Image.Image, size: Size, resample: Resample) -> Box | None:
    """Has a JPEG decoded at a fraction of its size, where it is large enough.

    Args:
        image: a JPEG that is not loaded yet.
        size: the width and height that it is to be resized to.
        resample: the filter that it is to be resized with.

    Returns:
        What of the image will show the whole original, as its last column and row can lie partly outside;
        None where it keeps its size.
    """
    wanted = math.ceil(size[0] * KEPT), math.ceil(size[1] * KEPT)
    if not _averages(resample) or image.width < 2 * wanted[0] or image.height < 2 * wanted[1]:
        return None
    drafted = image.draft(None, wanted)
    return None if drafted is None else drafted[1]


def is_reduced(image: Image.Image, size: Size, resample: Resample) -> bool:
    """Returns whether `resized` averages blocks of pixels of an image before it applies the filter."""
    return _averages(resample) and (image.width >= 2 * KEPT * size[0] or image.height >= 2 * KEPT * size[1])


def resized(image: Image.Image, size: Size, resample: Resample, box: Box | None = None) -> Image.Image:
    """Returns an image, or what lies in a box of it, stretched to a width and height; itself where it has them."""
    if image.size == size and box is None:
        return image
    return image.resize(size, Image.Resampling[resample.upper()], box=box, reducing_gap=KEPT)


def _averages(resample: Resample) -> bool:
    """Returns whether a filter takes all pixels into account, so that leaving the finest out changes little."""
    return resample != "nearest"
