"""Gray images of more than 8 bits a value, as PNG, and TIFF above all, can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from askpix.worker.images.bands import bands

DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Pillow's words for them. It clips them at 255 when it converts, so that most come out white."""

_BITS, _WHITE_IS_ZERO, _SAMPLE_FORMAT = 258, 262, 339
_UNSIGNED = 1

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How the values of a deep image become those of 8 bits.

    - 16-bit and 12-bit values lose their lower bits, as in any viewer.
    - 32-bit integers and floats do not say what white is. It is the end of the smallest usual range that
      holds all values: 0 to 1 (floats alone), 0 to 255, 0 to 65,535; else the range from the smallest to
      the largest of them. What is no number is black, what is infinite is black or white.
    """

    shift: int | None = None
    """Bits that 16-bit values lose; None for wider ones."""

    unsigned: bool = False
    """Whether what Pillow takes for signed integers is none."""

    black: float = 0
    white: float = 1
    white_is_zero: bool = False

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Returns the scale of a loaded image, a TIFF's as its tags say."""
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
        white_is_zero = tags.get(_WHITE_IS_ZERO) == 0
        if image.mode.startswith("I;16"):
            return cls(shift=4 if tags.get(_BITS) == (12,) else 8, white_is_zero=white_is_zero)
        unsigned = tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,)) == (_UNSIGNED,)
        black, white = _range(image, unsigned)
        return cls(unsigned=unsigned, black=black, white=white, white_is_zero=white_is_zero)

    def applied(self, image: Image.Image) -> Gray:
        """Returns a part of the image as uint8 [height, width], 0 for black."""
        values = _values(image, self.unsigned)
        gray: Gray = (values >> self.shift).astype(np.uint8) if self.shift is not None else self._scaled(values)
        return 255 - gray if self.white_is_zero else gray

    def _scaled(self, values: npt.NDArray[Any]) -> Gray:
        # Some of what is no number is not even that to the processor.
        with np.errstate(invalid="ignore"):
            scaled = (values.astype(np.float64) - self.black) * (255 / ((self.white - self.black) or 1))
        gray: Gray = np.rint(np.nan_to_num(scaled).clip(0, 255)).astype(np.uint8)
        return gray


def _values(image: Image.Image, unsigned: bool) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = np.asarray(image)
    return values.view(np.uint32) if unsigned else values


def _range(image: Image.Image, unsigned: bool) -> tuple[float, float]:
    """Returns what is black and what is white."""
    lows, highs = list[float](), list[float]()
    for band in bands(image):
        values = _values(band.image, unsigned)
        finite = values[np.isfinite(values)]
        if finite.size:
            lows.append(float(finite.min()))
            highs.append(float(finite.max()))
    if not lows:
        return 0, 1
    low, high = min(lows), max(highs)
    for white in (1, 255, 65_535) if image.mode == "F" else (255, 65_535):
        if low >= 0 and high <= white:
            return 0, white
    return low, high
