"""Image files written byte by byte, where no library writes the form that is wanted."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from helpers.golden import Pixels, Values

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row of each pass, and the steps from there."""


def packed(values: Values, bits: int, order: str = ">") -> npt.NDArray[np.uint8]:
    """Returns rows of bytes: values [height, width] or [height, width, channels], of so many bits."""
    rows = values.reshape(len(values), -1)
    if bits >= 8:
        return np.ascontiguousarray(rows, f"{order}u{bits // 8}").view(np.uint8)
    singles = rows[..., None] >> np.arange(bits)[::-1] & 1
    return np.packbits(singles.astype(np.uint8).reshape(len(rows), -1), axis=1)


def png(
    values: Values,
    *,
    bits: int,
    kind: int,
    chunks: Iterable[tuple[bytes, bytes]] = (),
    interlaced: bool = False,
) -> bytes:
    """Returns a PNG.

    Args:
        values: [height, width] or [height, width, channels].
        bits: of each value.
        kind: its colour type: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
        chunks: name and content of what comes before the pixels.
        interlaced: whether it comes in seven passes, from coarse to fine.
    """
    height, width = values.shape[:2]
    passes = [values[y::down, x::across] for x, y, across, down in _ADAM7] if interlaced else [values]
    lines = b"".join(b"\0" + row.tobytes() for part in passes for row in packed(part, bits))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    """Returns the chunk of a PNG that holds an ICC profile."""
    return b"iCCP", b"profile\0\0" + zlib.compress(profile)


def bmp(
    pixels: bytes,
    *,
    size: tuple[int, int],
    bits: int,
    compression: int = 0,
    palette: Pixels | None = None,
    masks: Sequence[int] = (),
    top_down: bool = False,
) -> bytes:
    """Returns a BMP with a header of 40 bytes, or of 108 where there are four masks.

    Args:
        pixels: all rows, each of a multiple of four bytes.
        size: width and height.
        bits: of a pixel.
        compression: 0 none, 1 and 2 run lengths of 8 and 4 bits, 3 masks.
        palette: RGB.
        masks: which bits are red, green, blue and, where there are four, alpha.
        top_down: whether the first row is the upper one.
    """
    extra = struct.pack(f"<{len(masks)}I", *masks)
    length = 108 if len(masks) == 4 else 40
    height = -size[1] if top_down else size[1]
    colors = 0 if palette is None else len(palette)
    header = struct.pack("<IiiHHIIiiII", length, size[0], height, 1, bits, compression, len(pixels), 0, 0, colors, 0)
    table = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    head = (header + extra).ljust(length, b"\0") + table
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(pixels), 0, 0, 14 + len(head)) + head + pixels


def padded(rows: npt.NDArray[np.uint8]) -> bytes:
    """Returns rows of a BMP, the lowest first, each filled up to a multiple of four bytes."""
    return np.pad(rows[::-1], ((0, 0), (0, -rows.shape[1] % 4))).tobytes()


def tiff(
    blocks: Sequence[bytes],
    *,
    size: tuple[int, int],
    bits: Sequence[int],
    photometric: int,
    order: str = "<",
    tile: int | None = None,
    tags: Mapping[int, Sequence[int] | bytes] | None = None,
) -> bytes:
    """Returns a TIFF.

    Args:
        blocks: its strips, each of as many rows; its tiles; or, where the tags say so, its planes.
        size: width and height.
        bits: of each channel.
        photometric: what the values are: 0 gray from white to black, 1 gray, 2 RGB, 3 palette, 5 inks, 6 YCbCr, 8 Lab.
        order: `<` for the lower byte first, `>` for the upper one.
        tile: side of a tile.
        tags: what else it says, by number; numbers are of 16 bits.
    """
    offsets = []
    body = b""
    for block in blocks:
        offsets.append(8 + len(body))
        body += block + b"\0" * (len(block) % 2)
    places: dict[int, Sequence[int]] = {}
    if tile is None:
        rows = size[1] if (tags or {}).get(284) == (2,) else size[1] // len(blocks)
        places = {273: offsets, 278: (rows,), 279: [len(block) for block in blocks]}
    else:
        places = {322: (tile,), 323: (tile,), 324: offsets, 325: [len(block) for block in blocks]}
    entries = {256: size[:1], 257: size[1:], 258: bits, 259: (1,), 262: (photometric,), 277: (len(bits),)}
    entries |= places | dict(tags or {})

    start = 8 + len(body)
    more = start + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        letter, code = ("I", 4) if tag in places else ("H", 3)
        data = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}{letter}", *value)
        directory += struct.pack(f"{order}HHI", tag, 7 if isinstance(value, bytes) else code, len(value))
        if len(data) <= 4:
            directory += data.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", more + len(values))
            values += data + b"\0" * (len(data) % 2)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", start) + body + directory + bytes(4) + values


def tiles(values: Values, side: int) -> list[Values]:
    """Returns what a picture is cut into, row by row, and filled up to at the edges."""
    height, width = values.shape[:2]
    filled = np.pad(values, ((0, -height % side), (0, -width % side), *[(0, 0)] * (values.ndim - 2)))
    return [
        filled[y : y + side, x : x + side]
        for y in range(0, filled.shape[0], side)
        for x in range(0, filled.shape[1], side)
    ]


def exif(orientation: int, order: str = "<") -> bytes:
    """Returns EXIF that says nothing but how an image is turned."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return b"Exif\0\0" + mark + struct.pack(f"{order}IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def segments(jpeg: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Returns the segments of a JPEG as markers and contents, and all from its pixels on."""
    parts, place = [], 2
    while True:
        marker, length = struct.unpack_from(">xBH", jpeg, place)
        parts.append((marker, jpeg[place + 4 : place + 2 + length]))
        place += 2 + length
        if marker == 0xDA:
            return parts, jpeg[place:]


def joined(parts: Iterable[tuple[int, bytes]], pixels: bytes) -> bytes:
    """Returns a JPEG of segments, and of all from its pixels on."""
    return b"\xff\xd8" + b"".join(_segment(marker, content) for marker, content in parts) + pixels


def scans(components: Sequence[bytes], size: tuple[int, int], across: int, down: int) -> bytes:
    """Returns a JPEG of three gray ones for Y, Cb and Cr, one after the other, as no library writes one.

    The two of colour are `across` and `down` times smaller. All must share their tables.
    """
    tables = [part for part in segments(components[0])[0] if part[0] in (0xE0, 0xDB, 0xC4)]
    frame = struct.pack(">BHHB", 8, size[1], size[0], 3)
    for number, sampling in enumerate((across << 4 | down, 0x11, 0x11), 1):
        frame += bytes((number, sampling, 0))
    parts = b""
    for number, component in enumerate(components, 1):
        parts += _segment(0xDA, bytes((1, number, 0, 0, 63, 0))) + segments(component)[1][:-2]
    return joined([*tables, (0xC0, frame)], parts + b"\xff\xd9")


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
