"""What odd images are made of: pictures whose every pixel is known, and the arithmetic of what is seen of them.

It is numpy alone, so that it shares nothing with what it judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[Any]

WIDTH, HEIGHT = 40, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class OddImage:
    """A valid image in an unusual form."""

    name: str
    data: bytes
    """The file."""

    seen: Pixels
    """What a person should see, uint8 [height, width, 3]."""


def smooth(corners: list[list[Any]], height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.float64]:
    """Returns [height, width, ...]: a grid of values, with straight lines drawn between them."""
    grid = np.array(corners, np.float64)
    for axis, length in ((0, height), (1, width)):
        place = np.linspace(0, grid.shape[axis] - 1, length)
        first = np.minimum(place.astype(int), grid.shape[axis] - 2)
        rest = (place - first).reshape([-1 if each == axis else 1 for each in range(grid.ndim)])
        grid = grid.take(first, axis) * (1 - rest) + grid.take(first + 1, axis) * rest
    return grid


def bytes_of(values: Values) -> Pixels:
    """Returns values of 0 to 255 and beyond as the nearest bytes."""
    return np.rint(values).clip(0, 255).astype(np.uint8)


_CORNERS = [
    [(255, 0, 0), (255, 255, 255), (0, 255, 0)],
    [(0, 255, 255), (128, 128, 128), (255, 0, 255)],
    [(0, 0, 255), (0, 0, 0), (255, 255, 0)],
]
PICTURE = bytes_of(smooth(_CORNERS))
"""uint8 [32, 40, 3]. No turn of it looks like another, and every gamut ends in it somewhere."""

DEEP_PICTURE = np.rint(smooth(_CORNERS) * 257).astype(np.uint16)
"""The same in 16 bits."""

GRAY = bytes_of(smooth([[0, 128, 255], [200, 60, 30]]))
"""uint8 [32, 40]."""

DEEP_GRAY = np.rint(smooth([[0, 128, 255], [200, 60, 30]]) * 257).astype(np.uint16)

ALPHA = bytes_of(smooth([[255, 300, 128], [51, -60, 200]]))
"""uint8 [32, 40]: clear in some places, opaque in others, and everything between."""


def in_rgb(gray: Values) -> Pixels:
    """Returns gray [height, width] of 0 to 255 as RGB."""
    return np.repeat(bytes_of(gray)[..., None], 3, 2)


def on_white(pixels: Values, alpha: Values) -> Pixels:
    """Returns RGB on white, where an alpha [height, width] of 0 to 255 lets it through."""
    share = alpha[..., None] / 255
    return bytes_of(pixels * share + 255 * (1 - share))


def of_inks(inks: Values) -> Pixels:
    """Returns RGB of cyan, magenta, yellow and black [height, width, 4], 255 for full ink.

    By the plain formula, without any printing press's profile, as BLIP's own image processor does.
    """
    amounts = inks / 255
    return bytes_of(255 * (1 - amounts[..., :3]) * (1 - amounts[..., 3:]))


def luma_and_chroma(pixels: Values) -> npt.NDArray[np.float64]:
    """Returns Y, Cb and Cr of RGB, as JFIF defines them."""
    red, green, blue = np.moveaxis(pixels.astype(np.float64), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402], -1)


def of_luma_and_chroma(values: Values) -> Pixels:
    """Returns RGB of Y, Cb and Cr."""
    luma, blue, red = np.moveaxis(values.astype(np.float64), -1, 0)
    red, blue = luma + 1.402 * (red - 128), luma + 1.772 * (blue - 128)
    return bytes_of(np.stack([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], -1))


def paletted(colors: int) -> tuple[Pixels, Pixels]:
    """Returns the picture as numbers of colours [height, width], and these colours [colors, 3]."""
    pixels = PICTURE.reshape(-1, 3)
    palette = pixels[np.linspace(0, len(pixels) - 1, colors).astype(int)]
    distance = np.abs(PICTURE[..., None, :].astype(int) - palette).sum(-1)
    return distance.argmin(-1).astype(np.uint8), palette


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
"""By EXIF's number of an orientation, how what is stored is shown.

EXIF says where row 0 and column 0 of what is stored are seen: top and left, top and right, bottom and right,
bottom and left, left and top, right and top, right and bottom, left and bottom.
"""
