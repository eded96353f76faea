"""Gray images of more than 8 bits a value, as PNG, and TIFF above all, can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's words for them. It clips them at 255 when it converts, so that most come out white."""

_BITS, _WHITE_IS_ZERO, _SAMPLE_FORMAT = 258, 262, 339
_UNSIGNED = 1
_CHUNK = 1 << 20

Gray = npt.NDArray[np.uint8]


def to_8_bits(image: Image.Image, tags: Mapping[int, Any]) -> Gray:
    """Returns an image of one of the modes above as uint8 [height, width], 0 for black.

    - 16-bit and 12-bit values lose their lower bits, as in any viewer.
    - 32-bit integers and floats do not say what white is. It is the end of the smallest usual range that
      holds all values: 0 to 1 (floats alone), 0 to 255, 0 to 65,535; else the range from the smallest to
      the largest of them. What is no number is black, what is infinite is black or white.

    Args:
        image: the image, loaded.
        tags: its TIFF tags, empty for other files.
    """
    values: npt.NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        gray = (values >> (4 if tags.get(_BITS) == (12,) else 8)).astype(np.uint8)
    else:
        if tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,)) == (_UNSIGNED,):
            values = values.view(np.uint32)
        gray = _scaled(values, *_range(values))
    if tags.get(_WHITE_IS_ZERO) == 0:
        gray = 255 - gray
    return gray


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Returns what is black and what is white."""
    finite = np.isfinite(values)
    if not finite.any():
        return 0, 1
    low, high = float(values[finite].min()), float(values[finite].max())
    for white in (1, 255, 65_535) if values.dtype.kind == "f" else (255, 65_535):
        if low >= 0 and high <= white:
            return 0, white
    return low, high


def _scaled(values: npt.NDArray[Any], black: float, white: float) -> Gray:
    gray = np.empty(values.size, np.uint8)
    scale = 255 / ((white - black) or 1)
    flat = values.reshape(-1)
    # In double precision, which for a whole large image would take much memory.
    for start in range(0, values.size, _CHUNK):
        part = (flat[start : start + _CHUNK].astype(np.float64) - black) * scale
        gray[start : start + _CHUNK] = np.rint(np.nan_to_num(part).clip(0, 255))
    return gray.reshape(values.shape)
