"""Photographs of 640x480 as JPEG files, no two of them alike, and their pixels as a model takes them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

from helpers.photographs import photographs
from PIL import Image, ImageOps

from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.decode import decode

SIZE = (640, 480)
"""Width and height in pixels."""

_QUALITY = 90
_DISTINCT = 28


@cache
def jpegs() -> tuple[bytes, ...]:
    """Returns 28 files: each of the photographs, whole and a part of it, and both mirrored."""
    files = []
    for data in photographs().values():
        with Image.open(io.BytesIO(data)) as image:
            rgb = image.convert("RGB")
        part = rgb.crop((rgb.width // 5, rgb.height // 5, rgb.width, rgb.height))
        for shown in (rgb, part):
            fitted = ImageOps.fit(shown, SIZE)
            files += [_encoded(fitted), _encoded(ImageOps.mirror(fitted))]
    assert len(files) == _DISTINCT
    return tuple(files)


def jpeg(number: int) -> bytes:
    """Returns a file for each number, whose bytes no other number has: a comment in it tells them apart."""
    data, comment = jpegs()[number % _DISTINCT], f"picture {number}".encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return data[:2] + segment + data[2:]


def pixels(form: ImageForm, number: int) -> list[Pixels]:
    """Returns the pixels of the first so many pictures, as a worker decodes them."""
    return [decode(jpeg(index), form).pixels for index in range(number)]


def varied(form: ImageForm, number: int) -> Iterator[Pixels]:
    """Yields pictures to calibrate with, one at a time."""
    return (decode(jpeg(index), form).pixels for index in range(number))


def _encoded(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
