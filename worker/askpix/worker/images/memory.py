"""How much memory it takes to decode an image, as far as its header says."""

from __future__ import annotations

from PIL import Image

from askpix.worker.errors import ImageError
from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import check_size, drafted, opened
from askpix.worker.images.jpeg import scan_colours
from askpix.worker.images.webp import webp_size

MEGABYTES = 256
"""That all images which are being decoded may take together: as many as one of 64 million pixels does in RGB."""

_WEBP = 17
"""Bytes a pixel. Pillow reads all as animations, with two frames beside the one that it takes, and that beside the
image; 16.4 were seen."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""A pixel of Pillow's, where they are not 4."""

_ORIENTATION, _ROWS_PER_STRIP, _TILE_WIDTH = 274, 278, 322
"""Tags of TIFF 6.0."""


def memory_for(data: bytes, form: ImageForm, megabytes: int = MEGABYTES) -> int:
    """Returns about how many bytes `decode` needs for an image beside its own; 0 for what it refuses.

    Raises:
        ImageError: `image_too_large`: they are more than so many megabytes.
    """
    memory, what = _said(data, form)
    if memory > megabytes * 1_000_000:
        raise ImageError(
            "image_too_large",
            f"to decode {what} takes {memory / 1_000_000:,.0f} MB; ASKPIX_DECODE_MEGABYTES allows {megabytes:,}",
        )
    return memory


def _said(data: bytes, form: ImageForm) -> tuple[int, str]:
    """Returns how many bytes it takes, and of what."""
    whole = 8 if form.width is None else 0  # as it is, it comes out as RGB, turned, and as an array
    try:
        # Of which Pillow says its size when that memory is taken.
        if (size := webp_size(data)) is not None:
            check_size(size)
            return (_WEBP + whole) * size[0] * size[1], f"a WebP of {size[0]}x{size[1]} pixels"
        with opened(data) as image:
            pixels, what = image.width * image.height, f"a {image.format} of {image.width}x{image.height} pixels"
            beside = _beside(image, data)
            drafted(image, form)
            return beside + (image.width * image.height * _BYTES.get(image.mode, 4)) + whole * pixels, what
    except Exception:  # noqa: BLE001 - `decode` will say it
        return 0, "what is no image"


def _beside(image: Image.Image, data: bytes) -> int:
    """Returns how many bytes a decoder needs beside the image itself, before that is reduced."""
    pixels = image.width * image.height
    match image.format:
        case "JPEG" | "MPO":
            return int(pixels * _coefficients(image, data))
        case "AVIF":
            return int(pixels * _planes(data))
        case "TIFF":
            return _turned(image) + _strip(image)
        case _:
            return 0


def _coefficients(image: Image.Image, data: bytes) -> float:
    """Returns the bytes a pixel of a JPEG that comes in several scans, which have to be put together; 0 of others."""
    layers = getattr(image, "layer", ())
    colours = scan_colours(data)
    if not image.info.get("progressive") and (colours is None or colours >= len(layers)):
        return 0
    # Each colour has its number, and by how much it is sampled across and down.
    widest, highest = (max((layer[at] for layer in layers), default=1) for at in (1, 2))
    return float(2 * sum(layer[1] * layer[2] for layer in layers) / max(widest * highest, 1))


def _planes(data: bytes) -> float:
    """Returns the bytes a pixel of an AVIF: its colours as they are stored, and what Pillow takes over.

    9.0 to 11.6 were seen, the image's own 4 among them. Source: AV1-ISOBMFF, section 2.3.3.
    """
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
    colours = 0.0 if flags & 0x10 else 2 / ((1 + (flags >> 3 & 1)) * (1 + (flags >> 2 & 1)))
    alpha = 1 if data.find(b"auxC") >= 0 else 0
    # More than 8 bits a colour take 16. One more, since the decoder pads its planes.
    return (1 + colours + alpha) * (2 if flags & 0x40 else 1) + 3 + alpha + 1


def _turned(image: Image.Image) -> int:
    """Returns the bytes of a TIFF that Pillow turns as a whole."""
    return 4 * image.width * image.height if _tag(image, _ORIENTATION, 1) > 1 else 0


def _strip(image: Image.Image) -> int:
    """Returns the bytes of the part of a TIFF that libtiff unpacks at a time."""
    tiles = getattr(image, "tile", ())
    if not tiles or tiles[0][0] != "libtiff" or _tag(image, _TILE_WIDTH, 0):
        return 0
    return 4 * image.width * min(_tag(image, _ROWS_PER_STRIP, image.height), image.height)


def _tag(image: Image.Image, number: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(number, default)
    return value if isinstance(value, int) and value >= 0 else default
