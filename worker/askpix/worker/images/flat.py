"""Any kind of pixels, as gray or RGB of 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from askpix.worker.images.gray import DEEP_MODES, Scale
from askpix.worker.images.profile import Colours, from_lab

BACKGROUND = (255, 255, 255)
"""What shows through where an image is transparent."""


def flattening(image: Image.Image, colours: Colours | None = None) -> Callable[[Image.Image], Image.Image] | None:
    """Returns what makes any part of a loaded image one of the mode L or RGB, on white where it is transparent.

    Gray of more than 8 bits is scaled as `Scale` says.

    Args:
        image: the image.
        colours: how its colours are converted. They are here where it is transparent, as the background is one of
            sRGB; else they are left, and so is the mode that they are to be converted from.

    Returns:
        None where there is nothing to do.
    """
    if image.mode in DEEP_MODES:
        return _deep(image)
    if image.mode == "LAB":
        return from_lab
    if is_transparent(image):
        return partial(_on_white, colours=colours)
    # L stays L: what is done to it next takes a third of the time, and comes to the same.
    if image.mode in ("L", "RGB") or (colours is not None and image.mode == colours.mode):
        return None
    return partial(Image.Image.convert, mode="L" if image.mode == "1" else "RGB")


def is_transparent(image: Image.Image) -> bool:
    """Returns whether `flattening` puts an image of 8 bits on white."""
    return image.mode not in DEEP_MODES and image.has_transparency_data


def _deep(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    scale = Scale.of(image)
    transparent = image.info.get("transparency")

    def flat(part: Image.Image) -> Image.Image:
        gray = scale.applied(part)
        if isinstance(transparent, int):
            gray[np.asarray(part) == transparent] = BACKGROUND[0]
        return Image.fromarray(gray)

    return flat


def _on_white(part: Image.Image, colours: Colours | None) -> Image.Image:
    gray = part.mode in ("LA", "La", "L")
    # Pillow knows no direct way from gray whose alpha it was multiplied with.
    part = part.convert("LA") if part.mode == "La" else part
    part = part if part.mode == "RGBA" else part.convert("RGBA")
    alpha = part.getchannel("A")
    seen = part.getchannel("R") if gray else part.convert("RGB")
    if colours is not None:
        seen = colours.converted(seen)
    if alpha.getextrema() == (255, 255):
        return seen
    return Image.composite(
        seen, Image.new(seen.mode, seen.size, BACKGROUND if seen.mode == "RGB" else BACKGROUND[0]), alpha
    )
