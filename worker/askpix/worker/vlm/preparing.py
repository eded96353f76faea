"""Images as transformers' processors would have brought them to size, where that can be done before the pipeline does.

The pipeline computes sizes in half the digits, and some families' images with another kernel: then an image is off by
a pixel here and there, and the answer another one. What it is given at the right size already, it takes as it is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from askpix.worker.image_form import Pixels
from askpix.worker.models.vlm_manifest import FixedTokens, ScaledTokens, TiledTokens
from askpix.worker.vlm.image_tokens import scaled_size


def prepared(form: FixedTokens | TiledTokens | ScaledTokens, pixels: Pixels) -> Pixels:
    """Returns an image as a model's processor brings it to size.

    Args:
        pixels: uint8 [height, width, 3], RGB, at full size.

    Returns:
        uint8 [height, width, 3]; of a model that takes tiles, whose whole image and tiles both come from the full
        size, as it is.
    """
    height, width = pixels.shape[:2]
    if isinstance(form, ScaledTokens):
        return _resized(pixels, *scaled_size(form, width, height))
    if isinstance(form, TiledTokens) or form.edge is None:
        return pixels
    edge = form.edge
    short, long = min(width, height), max(width, height)
    along = int(edge * long / short)
    wide, high = (edge, along) if width <= height else (along, edge)
    resized = _resized(pixels, wide, high)
    left, top = (wide - edge) // 2, (high - edge) // 2
    return resized[top : top + edge, left : left + edge]


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
