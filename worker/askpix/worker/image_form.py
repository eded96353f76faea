"""The images that engines take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Resample = Literal["bicubic", "bilinear", "lanczos", "nearest", "box", "hamming"]

Pixels = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageForm:
    """The image that an engine takes; a size of None stands for the image's own."""

    width: int | None
    height: int | None
    resample: Resample = "bicubic"
    """How images are brought to that size, as the model was trained."""
