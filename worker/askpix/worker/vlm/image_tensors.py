"""Images as an engine has them, from pixels."""

from __future__ import annotations

import numpy as np

from askpix.worker.image_form import Pixels
from askpix.worker.models.vlm_manifest import FixedTokens, ScaledTokens, TiledTokens
from askpix.worker.vlm.preparing import prepared
from askpix.worker.vlm.work import VlmImage


def opened(owner: object, form: FixedTokens | TiledTokens | ScaledTokens, pixels: Pixels) -> VlmImage:
    """Returns an image at the size that a model takes.

    Args:
        owner: the engine that it is given to.
        pixels: uint8 [height, width, 3], RGB, at full size.

    Raises:
        ItemError: the model takes none such.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"uint8 [height, width, 3] is needed, not {pixels.dtype} {pixels.shape}")
    height, width = pixels.shape[:2]
    return VlmImage(owner, np.ascontiguousarray(prepared(form, pixels)), width, height)
