"""Pictures in unusual forms, all of them valid, and damaged ones."""

from __future__ import annotations

import io

import numpy as np
from catalogue import picture
from PIL import Image

_PICTURE, PRODUCT, _ = picture(7, 2)
"""PRODUCT is what all of them show, but for the single pixel."""


def product() -> Image.Image:
    """Returns a catalogue picture, a little wider than high."""
    return _PICTURE.resize((260, 240))


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def jpeg() -> bytes:
    return encoded(product(), quality=92)


def commented(data: bytes, text: str) -> bytes:
    """Returns a JPEG of the same picture, whose file holds a comment: so it is another file."""
    comment = text.encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def truncated_jpeg() -> bytes:
    data = jpeg()
    return data[: len(data) // 2]


def one_pixel_png() -> bytes:
    return encoded(Image.new("RGB", (1, 1), (200, 30, 30)), "PNG")


def cmyk_jpeg() -> bytes:
    return encoded(product().convert("CMYK"), quality=95)


def gray_png() -> bytes:
    return encoded(product().convert("L"), "PNG")


def gray_16_bit_png() -> bytes:
    """Returns the same in 16 bits, with every value above 255, which a careless conversion turns white."""
    gray = product().convert("L")
    return encoded(gray.convert("I").point(lambda value: value * 257).convert("I;16"), "PNG")


def animated_gif() -> bytes:
    """Returns an animation of which the first frame alone shows the product."""
    blank = Image.new("RGB", (260, 240), (255, 255, 255))
    return encoded(product(), "GIF", save_all=True, append_images=[blank, blank], duration=50)


def transparent_palette_png() -> bytes:
    """Returns a picture whose palette has one transparent colour, in the border only."""
    paletted = product().quantize(255)
    framed = Image.new("P", (300, 280), 255)
    framed.putpalette([*(paletted.getpalette() or [])[: 255 * 3], 0, 0, 0])
    framed.paste(paletted, (20, 20))
    return encoded(framed, "PNG", transparency=255)


def exif_rotated_jpeg() -> bytes:
    """Returns a picture that lies on its side, with the EXIF note that a camera adds to set it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(product().transpose(Image.Transpose.ROTATE_90), exif=exif, quality=92)


def noise(number: int = 0, width: int = 64, height: int = 48) -> np.ndarray:
    """Returns a picture of noise, uint8 [height, width, 3], the same for the same number."""
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
