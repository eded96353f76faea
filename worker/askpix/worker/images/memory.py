"""How much memory it takes to decode an image, as far as its header says."""

from __future__ import annotations

from PIL import Image

from askpix.worker.error_codes import Code
from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import check_size, drafted, opened
from askpix.worker.images.jpeg import scan_colours
from askpix.worker.images.reduced import is_reduced
from askpix.worker.images.upright import turn_of, turned_size
from askpix.worker.images.webp import webp_size
from askpix.worker.item_errors import ImageError

MEGABYTES = 256
"""That all images which are being decoded may take together: as many as one of 64 million pixels does in RGB."""

_WEBP = 17
"""Bytes a pixel. Pillow reads all as animations, with two frames beside the one that it takes, and that beside the
image; 16.4 were seen."""

_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""A pixel of Pillow's, where they are not 4."""

_BITS, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 258, 278, 322, 323
"""Tags of TIFF 6.0."""


def memory_for(data: bytes, form: ImageForm, most: int = MEGABYTES * 1_000_000) -> int:
    """Returns about how many bytes `decode` needs for an image beside its own; 0 for what it refuses.

    Raises:
        ImageError: `image_too_large`: they are more than `most`.
    """
    memory, what = _said(data, form)
    if memory > most:
        raise ImageError(
            Code.IMAGE_TOO_LARGE,
            f"to decode {what} takes {memory // 1_000_000:,} MB; ASKPIX_DECODE_MEGABYTES allows {most // 1_000_000:,}",
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
            each = _BYTES.get(image.mode, 4) + _copies(image, form)
            return beside + image.width * image.height * each + whole * pixels, what
    except Exception:  # noqa: BLE001 - `decode` will say it
        return 0, "what is no image"


def _copies(image: Image.Image, form: ImageForm) -> int:
    """Returns the bytes a pixel of what is made of an image as a whole on its way to the form's size."""
    if form.width is None or form.height is None:
        return 0
    turn = turn_of(image)
    if is_reduced(image, turned_size((form.width, form.height), turn), form.resample):
        return 0
    # A TIFF is turned before that, by Pillow.
    return (0 if image.mode in ("RGB", "L") else 4) + (0 if turn is None or image.format == "TIFF" else 4)


def _beside(image: Image.Image, data: bytes) -> int:
    """Returns how many bytes a decoder needs beside the image itself, before that is reduced."""
    pixels = image.width * image.height
    match image.format:
        case "JPEG" | "MPO":
            return int(pixels * _coefficients(image, data))
        case "AVIF":
            return int(pixels * _planes(data))
        case "TIFF":
            # Pillow turns all of it itself.
            return (0 if turn_of(image) is None else 4 * pixels) + _strip(image)
        case "BMP" if _decoder_of(image) == "bmp_rle":
            return 3 * pixels
        case _:
            return 0


def _coefficients(image: Image.Image, data: bytes) -> float:
    """Returns the bytes a pixel of a JPEG that comes in several scans, which have to be put together; 0 of others."""
    layers = getattr(image, "layer", ())
    colours = scan_colours(data)
    if not image.info.get("progressive") and colours is not None and colours >= len(layers):
        return 0
    # Each colour has its number, and by how much it is sampled across and down.
    widest, highest = (max((layer[at] for layer in layers), default=1) for at in (1, 2))
    return float(2 * sum(layer[1] * layer[2] for layer in layers) / max(widest * highest, 1))


def _planes(data: bytes) -> float:
    """Returns the bytes a pixel of an AVIF: its colours as they are stored, and what Pillow takes over.

    9.0 to 11.6 were seen, the image's own 4 among them. Source: AV1-ISOBMFF, section 2.3.3.
    """
    planes, at = 0.0, -1
    # There can be several, for alpha and by mistake; the one that takes most counts.
    while (at := data.find(b"av1C", at + 1)) >= 0 and at < len(data) - 6:
        flags = data[at + 6]
        colours = 0.0 if flags & 0x10 else 2 / ((1 + (flags >> 3 & 1)) * (1 + (flags >> 2 & 1)))
        # More than 8 bits a colour take 16.
        planes = max(planes, (1 + colours) * (2 if flags & 0x40 else 1))
    alpha = 0 if data.find(b"auxC") < 0 and data.find(b"auxi") < 0 else 1
    # One more, since the decoder pads its planes.
    return (planes or 3) + 3 + 2 * alpha + 1


def _strip(image: Image.Image) -> int:
    """Returns the bytes of the part of a TIFF that libtiff unpacks at a time: some rows, or a tile."""
    if _decoder_of(image) != "libtiff":
        return 0
    width, height = _tag(image, _TILE_WIDTH, image.width), _tag(image, _TILE_HEIGHT, image.height)
    bits = getattr(image, "tag_v2", {}).get(_BITS, ())
    # Some colours come out with an alpha that is not in the file.
    each = max(sum(bits) / 8, 4) if isinstance(bits, tuple) and all(isinstance(bit, int) for bit in bits) else 8
    return int(each) * min(width, image.width) * min(_tag(image, _ROWS_PER_STRIP, height), height, image.height)


def _decoder_of(image: Image.Image) -> str | None:
    """Returns the name of what will unpack an image, in Pillow's words."""
    tiles = getattr(image, "tile", ())
    return str(tiles[0][0]) if tiles else None


def _tag(image: Image.Image, number: int, default: int) -> int:
    value = getattr(image, "tag_v2", {}).get(number, default)
    return value if isinstance(value, int) and value >= 0 else default
