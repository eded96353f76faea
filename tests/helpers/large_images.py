"""Odd images of more than 8 million pixels each, which a decoder may treat in parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from helpers.golden import OddImage, Pixels, Values, bytes_of, in_rgb, on_white
from helpers.image_files_by_hand import icc_chunk, png, tiff
from helpers.pictures import encoded
from helpers.profiles import ADOBE_RGB
from PIL import Image

WIDTH, HEIGHT = 3001, 2803
"""Neither a multiple of anything, so that blocks and parts do not fit in."""


def with_alpha() -> OddImage:
    picture, alpha = _picture(), _waves(700, 900)
    data = encoded(Image.fromarray(np.dstack([picture, alpha])), "PNG", compress_level=1)
    return OddImage(name="RGB and alpha", data=data, seen=_on_white(picture, alpha))


def with_palette() -> OddImage:
    numbers = _waves(1100, 800)
    turns = np.arange(256)[:, None] * [1, 2, 3] / 255 * np.pi
    palette, alphas = bytes_of(127.5 + 127.5 * np.cos(turns)), bytes_of(255 - np.arange(200) / 2)
    opaque = np.pad(alphas, (0, 56), constant_values=255)
    chunks = [(b"PLTE", palette.tobytes()), (b"tRNS", alphas.tobytes())]
    data = png(numbers, bits=8, kind=3, chunks=chunks)
    return OddImage(name="palette with alphas", data=data, seen=on_white(palette, opaque)[numbers])


def of_16_bits() -> OddImage:
    values = _deep(_waves(500, 1300))
    return OddImage(name="gray of 16 bits", data=png(values, bits=16, kind=0), seen=in_rgb(values / 257))


def in_color_of_16_bits() -> OddImage:
    picture = _picture()
    return OddImage(name="RGB of 16 bits", data=png(_deep(picture), bits=16, kind=2), seen=picture)


def of_floats() -> OddImage:
    gray = _waves(600, 700)
    values = (gray / 255).astype("<f4")
    # One strip, however large.
    data = tiff([values.tobytes()], size=(WIDTH, HEIGHT), bits=(32,), photometric=1, tags={339: (3,)})
    return OddImage(name="floats", data=data, seen=in_rgb(gray))


def with_profile() -> OddImage:
    # Colours that sRGB has: of those that it has not, what is cut off first and then averaged is not what is averaged
    # first.
    picture = 96 + _picture() // 4
    data = png(picture, bits=8, kind=2, chunks=[icc_chunk(ADOBE_RGB.to_bytes())])
    seen = np.concatenate([ADOBE_RGB.to_srgb(rows) for rows in np.array_split(picture, 16)])
    return OddImage(name="Adobe RGB (1998)", data=data, seen=seen)


LARGE_IMAGES: tuple[Callable[[], OddImage], ...] = (
    with_alpha,
    with_palette,
    of_16_bits,
    in_color_of_16_bits,
    of_floats,
    with_profile,
)


def _waves(across: int, down: int) -> Pixels:
    """Returns gray [height, width] that goes up and down, so many pixels from top to top."""
    horizontal = np.cos(np.arange(WIDTH) / across * 2 * np.pi)
    vertical = np.cos(np.arange(HEIGHT) / down * 2 * np.pi)
    return bytes_of(127.5 + 80 * vertical[:, None] + 60 * horizontal)


def _picture() -> Pixels:
    return np.dstack([_waves(900, 1200), _waves(1500, 400), _waves(300, 2000)])


def _deep(values: Pixels) -> Values:
    """Returns values of 16 bits that those of 8 bits are the upper half of."""
    return values.astype(np.uint16) * 257


def _on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    # In parts, as double precision takes much memory.
    parts = zip(np.array_split(pixels, 16), np.array_split(alpha, 16), strict=True)
    return np.concatenate([on_white(some, share) for some, share in parts])
