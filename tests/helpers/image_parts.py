"""The parts that image files are made of, written by hand: what is in them need not be right."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IEND = (b"IEND", b"")

_MEGABYTE = 1 << 20
_ADLER = 65521

Chunk = tuple[bytes, bytes]
Tag = int | tuple[int, int, bytes] | None
"""A number, or a type, a count and a value (or the four bytes that say where it is); None for a tag that is missing."""

BYTE, ASCII, SHORT, LONG, RATIONAL = 1, 2, 3, 4, 5


def deflated_zeros(count: int) -> bytes:
    """Returns so many bytes of zeros as zlib packs them, by no more work than a megabyte takes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = packer.compress(bytes(count % _MEGABYTE)) + packer.flush()
    return b"\x78\xda" + block * (count // _MEGABYTE) + rest + struct.pack(">I", (count % _ADLER) << 16 | 1)


# PNG. -----------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: Chunk) -> bytes:
    return PNG_SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)


def ihdr(width: int = 8, height: int = 8, depth: int = 8, color: int = 0, rest: bytes = b"\0\0\0") -> Chunk:
    """Returns a header, of 8x8 gray pixels by default, which are `idat()`."""
    return b"IHDR", struct.pack(">IIBB", width, height, depth, color) + rest


def idat(raw: bytes = b"\0\x33\x66\x99\xcc\x33\x66\x99\xcc" * 8) -> Chunk:
    """Returns data of rows that each begin with their filter."""
    return b"IDAT", zlib.compress(raw)


def png_with(*chunks: Chunk, after: tuple[Chunk, ...] = ()) -> bytes:
    """Returns a whole PNG with chunks before, and after, its data."""
    return png(ihdr(), *chunks, idat(), *after, IEND)


# JPEG. ----------------------------------------------------------------------------------------------


def segment(marker: int, body: bytes) -> bytes:
    """Returns a segment; `marker` is the second byte of its own."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(jpeg: bytes, *segments: bytes) -> bytes:
    """Returns a JPEG with segments put before all others."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


# GIF. -----------------------------------------------------------------------------------------------


def gif(
    *blocks: bytes, width: int = 2, height: int = 2, flags: int = 0x80, palette: bytes = b"\0\0\0\xff\0\0"
) -> bytes:
    """Returns a GIF, with two colours by default."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + palette + b"".join(blocks) + b";"


def gif_frame(
    left: int = 0, top: int = 0, width: int = 2, height: int = 2, flags: int = 0, data: bytes = b"\x02\x03\x84\x51\0\0"
) -> bytes:
    """Returns a frame; `data` begins with the size of its codes."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + data


# BMP. -----------------------------------------------------------------------------------------------


def bmp(
    width: int = 4,
    height: int = 4,
    bits: int = 24,
    compression: int = 0,
    colors: int = 0,
    *,
    planes: int = 1,
    offset: int = 54,
    header: int = 40,
    after: bytes = bytes(64),
) -> bytes:
    """Returns a BMP; `after` its header come the palette and the pixels."""
    body = struct.pack("<IiiHHIIiiII", header, width, height, planes, bits, compression, len(after), 0, 0, colors, 0)
    return b"BM" + struct.pack("<IHHI", 14 + len(body) + len(after), 0, 0, offset) + body + after


# TIFF. ----------------------------------------------------------------------------------------------

_PLAIN: Mapping[int, Tag] = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: 64}


def tiff(
    tags: Mapping[int, Tag], pixels: bytes = bytes(range(64)), *, following: int = 0, at: int | None = None
) -> bytes:
    """Returns a TIFF of 8x8 gray pixels but for what its tags say; the pixels come first, at 8.

    Args:
        tags: what differs.
        pixels: one strip, or anything.
        following: where its next directory is.
        at: where it says that its first one is.
    """
    start = 8 + len(pixels)
    directory = exif_directory({**_PLAIN, **tags}, start, following)
    return b"II*\0" + struct.pack("<I", start if at is None else at) + pixels + directory


def exif_directory(tags: Mapping[int, Tag], start: int, following: int = 0) -> bytes:
    """Returns a directory of tags, and what of their values has no place in it.

    Args:
        start: where it will be.
        following: where the next one is.
    """
    present = sorted((number, tag) for number, tag in tags.items() if tag is not None)
    beyond = start + 2 + 12 * len(present) + 4
    entries, values = b"", b""
    for number, tag in present:
        kind, count, value = (LONG, 1, struct.pack("<I", tag)) if isinstance(tag, int) else tag
        if len(value) > 4:
            value, values = struct.pack("<I", beyond + len(values)), values + value
        entries += struct.pack("<HHI", number, kind, count) + value.ljust(4, b"\0")
    return struct.pack("<H", len(present)) + entries + struct.pack("<I", following) + values


# WebP and AVIF. -------------------------------------------------------------------------------------


def riff(*chunks: Chunk, size: int | None = None) -> bytes:
    """Returns a WebP file; `size` is what it says of its own."""
    body = b"WEBP" + b"".join(riff_chunk(kind, data) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def vp8x(width: int, height: int, flags: int = 0) -> Chunk:
    """Returns what says how large a WebP is, of which the picture itself comes later."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"VP8X", struct.pack("<I", flags) + size


def box(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    """Returns a box of AVIF; `size` is what it says of its own."""
    return struct.pack(">I", len(body) + 8 if size is None else size) + kind + body


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Returns bytes of which some are replaced."""
    return data[:at] + new + data[at + len(new) :]
