"""Images far larger than an engine's, made smaller the cheap way first, then resized.

A JPEG is made 2, 4 or 8 times smaller by the decoder, which then leaves out the finest frequencies and most of
the work. Any image can be averaged over whole blocks of pixels. Either way what is left to the resampling
filter is `KEPT` times the engine's size or more, in both directions: the less, the further the result is from
that of the filter alone.

By how much of 255 it is in the mean, at worst of both ways to 2 and 4 times smaller, from JPEGs of quality 90 with
all their detail (`bench/decode.py --differences`):

    KEPT                                           2.0   2.5   3.0   3.5   3.8   4.5
    photographs (9)                               1.00  0.61  0.46  0.36  0.34  0.27
    brick, grass, gravel; a photographed page     1.32  0.92  0.72  0.58  0.51  0.40
    noise over the full range                     2.87  1.77  1.20  0.87  0.74  0.52
    a page full of letters of 48 pixels           2.16  1.27  0.87  0.66  0.59  0.48
      of 32 pixels                                2.91  1.79  1.33  1.07  0.90  0.75
      of 20 pixels                                3.14  2.04  1.45  1.22  1.12  0.93
    pure red and blue in fields of 32 pixels      3.06  1.23  1.21  1.00  0.88  0.72
      of 8 pixels                                 9.98  3.99  4.59  3.28  2.67  1.58
    black and white in fields of 8 pixels         9.97  1.54  2.23  1.31  1.02  0.19
    noise of black and white alone                6.18  3.94  2.74  2.02  1.71  1.21

Drawn patterns and tiny letters that fill an image are thus further away than 1 where it is only just large enough. At
3.8 a camera's 4000x3000 is still decoded at half its size for an engine of 384x384, at 4 it would not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from askpix.worker.image_form import Resample
from askpix.worker.images.bands import changed

KEPT = 3.8
"""How many times the engine's size a reduced image must still be."""

Change = Callable[[Image.Image], Image.Image]
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
    return _factors(image, size, resample) != (1, 1)


def resized(
    image: Image.Image, size: Size, resample: Resample, box: Box | None = None, change: Change | None = None
) -> Image.Image:
    """Returns an image, or what lies in a box of it, stretched to a width and height; itself where it has them.

    Args:
        change: what is done to it before that, a part at a time.
    """
    if change is not None:
        across, down = factors = _factors(image, size, resample)
        left, upper, right, lower = box or (0, 0, image.width, image.height)
        image = changed(image, change, factors)
        box = left / across, upper / down, right / across, lower / down
    elif image.size == size and box is None:
        return image
    gap = KEPT if _averages(resample) else None
    return image.resize(size, Image.Resampling[resample.upper()], box=box, reducing_gap=gap)


def _factors(image: Image.Image, size: Size, resample: Resample) -> tuple[int, int]:
    """Returns over how many columns and rows an image is averaged first, as Pillow has it for a `reducing_gap`."""
    if not _averages(resample):
        return 1, 1
    return int(image.width / size[0] / KEPT) or 1, int(image.height / size[1] / KEPT) or 1


def _averages(resample: Resample) -> bool:
    """Returns whether leaving the finest detail out changes little.

    Not where single pixels are taken, nor with the hard edges of `box`: 3.7 of 255 at worst, where `bilinear`,
    `hamming` and `lanczos` come to 0.6 at most, as `bicubic` does.
    """
    return resample not in ("nearest", "box")
