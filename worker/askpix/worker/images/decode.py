"""Image bytes to the pixels that an engine takes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from askpix.worker.engine.base import ImageForm, Pixels
from askpix.worker.errors import ImageError
from askpix.worker.images.gray import DEEP_MODES, to_8_bits

MAX_PIXELS = 64_000_000
"""Pixels that an image may have, known from its header before anything is decoded."""

BACKGROUND = (255, 255, 255)
"""What shows through where an image is transparent."""

Image.init()
_FORMATS = tuple(name for name in ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP") if name in Image.OPEN)
"""Decided by content, never by name. Pillow can be built without some; its other decoders are not asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """An image in an engine's form."""

    pixels: Pixels
    """uint8 [height, width, 3], RGB, C-contiguous."""

    width: int
    height: int
    """Of the image as it is shown, before resizing."""


def decode(data: bytes, form: ImageForm) -> Decoded:
    """Returns an image as it is meant to be seen, in 8-bit RGB and in the engine's form.

    The first frame of an animated one, turned as its EXIF orientation says, on white where it is
    transparent, and stretched to the form's size as BLIP's own image processor does. Gray of more than
    8 bits is scaled as `to_8_bits` says.

    Raises:
        ImageError: `empty_file`, `not_an_image`, `image_too_large` or `image_damaged`.
    """
    if not data:
        raise ImageError("empty_file", "the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image)
            shown = _upright(image)
            width, height = shown.size
            pixels = _resized(_rgb(shown, getattr(image, "tag_v2", {})), form)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            "not_an_image", f"the file is no image that can be read: it begins with {_head(data)}"
        ) from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except MemoryError:
        raise ImageError("image_too_large", "there was not enough memory for this image", retryable=True) from None
    except Exception as error:  # noqa: BLE001 - decoders raise whatever the bytes lead them to
        reason = str(error).strip() or type(error).__name__
        raise ImageError("image_damaged", f"the image is damaged or cut short: {reason[:200]}") from None
    return Decoded(pixels=np.ascontiguousarray(pixels), width=width, height=height)


def ignore_pillow_warnings() -> None:
    """What Pillow warns of (odd EXIF, a size near its own limit) is decided here, not printed.

    For the whole process, at its start: `warnings.catch_warnings` is not safe among threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\b")


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}x{height}")


def _upright(image: Image.Image) -> Image.Image:
    """Returns the image turned as its EXIF says; EXIF that cannot be read says nothing."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - the picture itself was read
        return image


def _too_large(size: str | None = None) -> ImageError:
    what = f"the image has {size} pixels" if size else "the image has too many pixels"
    return ImageError("image_too_large", f"{what}; {MAX_PIXELS // 1_000_000} million are the most")


def _rgb(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    if image.mode in DEEP_MODES:
        gray = to_8_bits(image, tags)
        if isinstance(transparent := image.info.get("transparency"), int):
            gray[np.asarray(image) == transparent] = BACKGROUND[0]
        return Image.fromarray(gray).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        canvas = Image.new("RGBA", layered.size, (*BACKGROUND, 255))
        return Image.alpha_composite(canvas, layered).convert("RGB")
    return image.convert("RGB")


def _resized(image: Image.Image, form: ImageForm) -> Pixels:
    if form.width is not None and form.height is not None:
        image = image.resize((form.width, form.height), Image.Resampling[form.resample.upper()])
    return np.asarray(image)


def _head(data: bytes) -> str:
    return repr(data[:16].decode("latin-1"))
