"""Any kind of pixels, as gray or RGB of 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from askpix.worker.images.gray import DEEP_MODES, Scale
from askpix.worker.images.profile import from_lab

BACKGROUND = (255, 255, 255)
"""What shows through where an image is transparent."""


def flattening(image: Image.Image, kept: str | None = None) -> Callable[[Image.Image], Image.Image] | None:
    """Returns what makes any part of a loaded image one of the mode L or RGB, on white where it is transparent.

    Gray of more than 8 bits is scaled as `Scale` says.

    Args:
        image: the image.
        kept: a mode that is left as it is, too.

    Returns:
        None where there is nothing to do.
    """
    if image.mode == kept:
        return None
    if image.mode in DEEP_MODES:
        return _deep(image)
    if image.mode == "LAB":
        return from_lab
    if image.has_transparency_data:
        return _on_white
    # L stays L: what is done to it next takes a third of the time, and comes to the same.
    return None if image.mode in ("L", "RGB") else _rgb


def _deep(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    scale = Scale.of(image)
    transparent = image.info.get("transparency")

    def flat(part: Image.Image) -> Image.Image:
        gray = scale.applied(part)
        if isinstance(transparent, int):
            gray[np.asarray(part) == transparent] = BACKGROUND[0]
        return Image.fromarray(gray)

    return flat


def _on_white(part: Image.Image) -> Image.Image:
    gray = part.mode in ("LA", "La")
    part = part if part.mode == "RGBA" else part.convert("RGBA")
    opaque = part.getchannel("A").getextrema() == (255, 255)
    if not opaque:
        part = Image.alpha_composite(Image.new("RGBA", part.size, (*BACKGROUND, 255)), part)
    return part.convert("RGB").getchannel("R") if gray else part.convert("RGB")


def _rgb(part: Image.Image) -> Image.Image:
    return part.convert("RGB")
