"""Images as transformers' processors would have brought them to size, where that can be done before the pipeline does.

The pipeline computes sizes in half the digits, and some families' images with another kernel: then an image is off by
a pixel here and there, and the answer another one. What it is given at the right size already, it takes as it is.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from askpix.worker.error_codes import Code
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import ItemError
from askpix.worker.models.vlm_manifest import FixedTokens, ScaledTokens, TiledTokens
from askpix.worker.vlm.image_tokens import scaled_size

_NARROW = 8
"""Times as long as wide, above which only the middle of an image is resized."""

_NARROWEST = 200
"""Times as long as wide that an image may be where all of it is taken."""


def prepared(form: FixedTokens | TiledTokens | ScaledTokens, pixels: Pixels) -> Pixels:
    """Returns an image as a model's processor brings it to size.

    Args:
        pixels: uint8 [height, width, 3], RGB, at full size.

    Returns:
        uint8 [height, width, 3]; of a model that takes tiles, whose whole image and tiles both come from the full
        size, as it is.

    Raises:
        ItemError: `image_too_narrow`: the model's processor takes none such.
    """
    height, width = pixels.shape[:2]
    cuts = isinstance(form, FixedTokens) and form.edge is not None
    if not cuts and max(width, height) > _NARROWEST * min(width, height):
        raise ItemError(Code.IMAGE_TOO_NARROW, f"it has {width} x {height} pixels: sides may be {_NARROWEST} to 1")
    if isinstance(form, ScaledTokens):
        return _resized(pixels, *scaled_size(form, width, height))
    if isinstance(form, TiledTokens) or form.edge is None:
        return pixels
    edge = form.edge
    short, long = min(width, height), max(width, height)
    if long > _NARROW * short:
        # All of it would come to more than memory has; so the middle alone, from the pixels that it is made of.
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        return np.asarray(Image.fromarray(pixels).resize((edge, edge), Image.Resampling.BICUBIC, box=box))
    along = int(edge * long / short)
    wide, high = (edge, along) if width <= height else (along, edge)
    resized = _resized(pixels, wide, high)
    left, top = (wide - edge) // 2, (high - edge) // 2
    return resized[top : top + edge, left : left + edge]


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
