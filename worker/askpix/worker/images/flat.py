"""Any kind of pixels, as gray or RGB of 8 bits."""

from __future__ import annotations

import numpy as np
from PIL import Image

from askpix.worker.images.gray import DEEP_MODES, to_8_bits

BACKGROUND = (255, 255, 255)
"""What shows through where an image is transparent."""


def flat(image: Image.Image) -> Image.Image:
    """Returns a loaded image in the mode L or RGB, on white where it is transparent; itself where it is so already.

    Gray of more than 8 bits is scaled as `to_8_bits` says.
    """
    if image.mode in DEEP_MODES:
        gray = to_8_bits(image, getattr(image, "tag_v2", {}))
        if isinstance(transparent := image.info.get("transparency"), int):
            gray[np.asarray(image) == transparent] = BACKGROUND[0]
        return Image.fromarray(gray)
    if image.has_transparency_data:
        return _on_white(image if image.mode == "RGBA" else image.convert("RGBA"))
    # L stays L: what is done to it next takes a third of the time, and comes to the same.
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    opaque = image.getchannel("A").getextrema() == (255, 255)
    if not opaque:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    return image.convert("RGB")
