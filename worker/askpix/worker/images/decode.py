"""Image bytes to the pixels that an engine takes."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from askpix.worker.error_codes import Code
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.bands import changed
from askpix.worker.images.flat import flattening, is_transparent
from askpix.worker.images.profile import MAX_PROFILE_BYTES, colours_of
from askpix.worker.images.reduced import Box, Change, draft, is_reduced, resized
from askpix.worker.images.upright import turn_of, turned, turned_size
from askpix.worker.images.webp import webp_size
from askpix.worker.item_errors import ImageError

MAX_PIXELS = 64_000_000
"""Pixels that an image may have, known from its header before anything is decoded."""

MAX_SIDE = 1_000_000
"""Pixels that an image may be wide, or high: a row alone takes memory, whatever is in it."""

TOO_MUCH_MEMORY = "it needs more memory than an image of its size should, or than there is"

MAX_SCANS = 500
"""Of a JPEG. More than what looks like one by chance in 20 MB of anything."""

_SCAN = b"\xff\xda"

Image.init()
# By which profiles are bounded too.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES
_FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "MPO", "TIFF") if name in Image.OPEN)
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
    transparent, in the colours that its ICC profile describes, and stretched to the form's size as BLIP's own
    image processor does, or nearly so where the image is many times larger: see `askpix.worker.images.reduced`.
    Gray of more than 8 bits is scaled as `askpix.worker.images.gray.Scale` says.

    Raises:
        ImageError: `empty_file`, `not_an_image`, `image_too_large` or `image_damaged`.
    """
    if not data:
        raise ImageError(Code.EMPTY_FILE, "the file is empty")
    try:
        return _decoded(data, form)
    except Exception as error:  # noqa: BLE001 - decoders raise whatever the bytes lead them to
        problem = _problem(error, data)
    # Raised out here, and without its past, which would keep the image in memory for as long as the error.
    raise problem.with_traceback(None)


def _decoded(data: bytes, form: ImageForm) -> Decoded:
    with opened(data) as image:
        stored = image.size
        box = drafted(image, form)
        _scale_transparent(image)
        image.load()
        if box is None:
            stored = image.size  # loading turns a TIFF
        turn = turn_of(image)
        colours = colours_of(image)
        shown = _formed(image, flattening(image, colours), form, turn, box)
        if colours is not None and not is_transparent(image):
            shown = colours.converted(shown)
    width, height = turned_size(stored, turn)
    return Decoded(
        pixels=np.asarray(shown if shown.mode == "RGB" else shown.convert("RGB")), width=width, height=height
    )


def _scale_transparent(image: Image.Image) -> None:
    """Has the one value, or colour, that is transparent in a PNG be of 8 bits, as Pillow has made its pixels.

    Of colours of 16 bits a side, those count as transparent that differ from it in their last 8 alone.
    """
    transparent, raw = image.info.get("transparency"), _raw_mode(image)
    if isinstance(transparent, int) and raw in ("L;2", "L;4"):
        image.info["transparency"] = transparent * 255 // (3 if raw == "L;2" else 15)
    elif isinstance(transparent, tuple) and raw == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def _raw_mode(image: Image.Image) -> str:
    """Returns what the pixels of an image that is not loaded yet are in its file, in Pillow's words."""
    tiles = getattr(image, "tile", ())
    return str(tiles[0].args) if tiles else ""


def drafted(image: Image.Image, form: ImageForm) -> Box | None:
    """Has a JPEG be decoded in a smaller size where it is many times larger than the form; returns its part that is
    the image then."""
    if image.format not in ("JPEG", "MPO") or form.width is None or form.height is None:
        return None
    return draft(image, turned_size((form.width, form.height), turn_of(image)), form.resample)


def _formed(
    image: Image.Image, flat: Change | None, form: ImageForm, turn: Image.Transpose | None, box: Box | None
) -> Image.Image:
    """Returns an image flattened, turned, and in the form's size.

    It is turned last where it was or will be reduced, which is less work, else first: what the filter rounds
    depends on the order.
    """
    if form.width is None or form.height is None:
        return turned(image if flat is None else changed(image, flat), turn)
    size = form.width, form.height
    before = turned_size(size, turn)
    if box is not None or is_reduced(image, before, form.resample):
        return turned(resized(image, before, form.resample, box, flat), turn)
    return resized(turned(image if flat is None else changed(image, flat), turn), size, form.resample)


def opened(data: bytes) -> Image.Image:
    """Returns an image of which no more is known than its header says, and that is not too much."""
    check_size(webp_size(data) or (0, 0))
    image = Image.open(io.BytesIO(data), formats=_FORMATS)
    check_size(image.size)
    # Each scan goes through all of the image once more, however few bytes it has.
    if image.format in ("JPEG", "MPO") and (scans := data.count(_SCAN)) > MAX_SCANS:
        raise ImageError(Code.IMAGE_DAMAGED, f"the JPEG has {scans:,} scans; usual ones have about ten")
    return image


def check_size(size: tuple[int, int]) -> None:
    """Raises ImageError where an image has too many pixels."""
    width, height = size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(f"{width}x{height}")


def _problem(error: Exception, data: bytes) -> ImageError:
    match error:
        case ImageError():
            return error
        case UnidentifiedImageError():
            head = repr(data[:16].decode("latin-1"))
            return ImageError(Code.NOT_AN_IMAGE, f"the file is no image that can be read: it begins with {head}")
        case Image.DecompressionBombError():
            return _too_large()
        case MemoryError():
            return ImageError(Code.OUT_OF_MEMORY, TOO_MUCH_MEMORY, retryable=True)
        case _:
            reason = str(error).strip() or type(error).__name__
            return ImageError(Code.IMAGE_DAMAGED, f"the image is damaged or cut short: {reason[:200]}")


def _too_large(size: str | None = None) -> ImageError:
    what = f"the image has {size} pixels" if size else "the image has too many pixels"
    most = f"{MAX_PIXELS // 1_000_000} million are the most, and {MAX_SIDE:,} a side"
    return ImageError(Code.IMAGE_TOO_LARGE, f"{what}; {most}")
