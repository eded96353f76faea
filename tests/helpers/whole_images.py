"""A small picture in each form that is read, and where each can be cut."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from helpers.image_parts import IEND, exif_directory, idat, ihdr, png
from helpers.pictures import encoded, product
from PIL import Image

PICTURE = product().resize((64, 60))
OTHER = PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
"""A second frame."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: a segment, chunk, block or box."""

    name: str
    start: int
    pixels: bool = False
    """Whether what is shown is in it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole image."""

    name: str
    data: bytes
    parts: tuple[Part, ...]
    """In the order in which they lie in the file."""

    loose: bool = False
    """Whether what is cut off is known before anything is decoded, so that its whole can be called no image."""

    def end(self, part: Part) -> int:
        return min((other.start for other in self.parts if other.start > part.start), default=len(self.data))

    @property
    def pixels(self) -> range:
        """Where its pixels are."""
        places = [(part.start, self.end(part)) for part in self.parts if part.pixels]
        return range(places[0][0], places[-1][1])


# Where the parts of each are. -----------------------------------------------------------------------


def jpeg_parts(data: bytes, base: int = 0) -> Iterator[Part]:
    """Yields a JPEG's segments, and what of its scans lies between them; of a second JPEG behind it, one part."""
    at = base
    while at + 1 < len(data):
        marker = data[at + 1]
        if marker == 0xD9:
            yield Part("EOI", at)
            if at + 2 < len(data):
                yield Part("the next picture", at + 2)
            return
        if marker == 0xD8:
            yield Part("SOI", at)
            at += 2
            continue
        if 0xD0 <= marker <= 0xD7:
            yield Part(f"restart at {at}", at, pixels=True)
            at += 2
        else:
            yield Part(f"{marker:02X} at {at}", at)
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
            if marker != 0xDA:
                continue
            yield Part(f"scan at {at}", at, pixels=True)
        while data[at] != 0xFF or data[at + 1] == 0:
            at += 1


def png_parts(data: bytes) -> Iterator[Part]:
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield Part(f"{kind.decode()} at {at}", at)
        if kind == b"IDAT":
            yield Part(f"data at {at + 8}", at + 8, pixels=True)
            yield Part(f"checksum at {at + 8 + size}", at + 8 + size)
        at += 12 + size


def riff_parts(data: bytes) -> Iterator[Part]:
    yield Part("RIFF", 0)
    at, seen = 12, False
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        shown = kind in (b"VP8 ", b"VP8L", b"ANMF") and not seen
        yield Part(f"{kind.decode().strip()} at {at}", at)
        yield Part(f"data at {at + 8}", at + 8, pixels=shown)
        seen = seen or shown
        at += 8 + size + size % 2


def gif_parts(data: bytes) -> Iterator[Part]:
    yield Part("screen", 6)
    at = 13
    if data[10] & 0x80:
        yield Part("colours", at)
        at += 3 << (data[10] & 7) + 1
    seen = False
    while at < len(data):
        kind = data[at : at + 1]
        yield Part({b";": "trailer", b"!": "extension", b",": "frame"}[kind] + f" at {at}", at)
        if kind == b";":
            return
        if kind == b",":
            at += 10 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
            yield Part(f"codes at {at}", at, pixels=not seen)
            seen, at = True, at + 1
        else:
            at += 2
        while data[at]:
            at += data[at] + 1
        at += 1


def bmp_parts(data: bytes) -> Iterator[Part]:
    yield Part("file header", 0)
    for name, at in (("header", 14), ("height", 22), ("bits", 28), ("compression", 30), ("colours", 46)):
        yield Part(name, at)
    start = int(struct.unpack_from("<I", data, 10)[0])
    if start > 54:
        yield Part("palette", 54)
    yield Part("pixels", start, pixels=True)


def tiff_parts(data: bytes) -> Iterator[Part]:
    """Yields parts of a little-endian TIFF's first page."""
    yield Part("header", 0)
    start = int(struct.unpack_from("<I", data, 4)[0])
    count = int(struct.unpack_from("<H", data, start)[0])
    found = [Part("directory", start), Part("its first tag", start + 2), Part("its end", start + 2 + 12 * count)]
    for place in range(start + 2, start + 2 + 12 * count, 12):
        number, kind, many = struct.unpack_from("<HHI", data, place)
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
        at = int(struct.unpack_from("<I", data, place + 8)[0]) if size * many > 4 else place + 8
        if number in (273, 324):
            offsets = struct.unpack_from(f"<{many}{'H' if size == 2 else 'I'}", data, at)
            found += [Part(f"strip at {offset}", offset, pixels=True) for offset in offsets]
        elif size * many > 4:
            found.append(Part(f"values of {number}", at))
    yield from sorted(found, key=lambda part: part.start)


_FULL_BOXES = {b"meta": 4, b"iinf": 6, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0}
"""Boxes that hold boxes, and what comes before these."""


def avif_parts(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Part]:
    at = start
    while at + 8 <= (len(data) if end is None else end):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield Part(f"{kind.decode()} at {at}", at)
        if kind == b"mdat":
            yield Part("data", at + 8, pixels=True)
        if kind in _FULL_BOXES:
            yield from avif_parts(data, at + 8 + _FULL_BOXES[kind], at + size)
        at += size


# The images. ----------------------------------------------------------------------------------------


def interlaced_png() -> bytes:
    """Returns the picture as a PNG whose rows come in seven passes, which Pillow does not write."""
    pixels = np.asarray(PICTURE)
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    raw = b"".join(
        b"\0" + row.tobytes() for top, left, down, across in passes for row in pixels[top::down, left::across]
    )
    return png(ihdr(*PICTURE.size, color=2, rest=b"\0\0\1"), idat(raw), IEND)


def rle_bmp() -> bytes:
    """Returns the picture in gray as a BMP of runs of one pixel."""
    gray = np.flipud(np.asarray(PICTURE.convert("L")))
    rows = b"".join(b"".join(bytes((1, value)) for value in row) + b"\0\0" for row in gray) + b"\0\1"
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, *PICTURE.size, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(rows), 0, 0, 1078) + header + palette + rows


def tiled_tiff() -> bytes:
    """Returns the picture in gray as a TIFF of deflated tiles of 32x32."""
    gray = np.zeros((64, 64), np.uint8)
    gray[:60] = np.asarray(PICTURE.convert("L"))
    tiles = [zlib.compress(gray[top : top + 32, left : left + 32].tobytes()) for top in (0, 32) for left in (0, 32)]
    places = [8 + sum(map(len, tiles[:number])) for number in range(4)]
    directory = exif_directory(
        {256: 64, 257: 60, 258: 8, 259: 8, 262: 1, 277: 1, 322: 32, 323: 32}
        | {324: (4, 4, struct.pack("<4I", *places)), 325: (4, 4, struct.pack("<4I", *map(len, tiles)))},
        8 + len(b"".join(tiles)),
    )
    return b"II*\0" + struct.pack("<I", 8 + len(b"".join(tiles))) + b"".join(tiles) + directory


def _whole_images() -> Iterator[Whole]:
    def written(form: str, image: Image.Image = PICTURE, **options: object) -> bytes:
        return encoded(image, form, **options)

    def two(form: str, **options: object) -> bytes:
        return encoded(PICTURE, form, save_all=True, append_images=[OTHER], **options)

    deep = PICTURE.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    transparent = PICTURE.copy()
    transparent.putalpha(PICTURE.convert("L"))
    kinds: list[tuple[str, Callable[[bytes], Iterator[Part]], bytes]] = [
        ("JPEG", jpeg_parts, written("JPEG")),
        ("progressive JPEG", jpeg_parts, written("JPEG", progressive=True)),
        ("JPEG with restarts", jpeg_parts, written("JPEG", restart_marker_blocks=5)),
        ("CMYK JPEG", jpeg_parts, written("JPEG", PICTURE.convert("CMYK"))),
        ("MPO", jpeg_parts, two("MPO")),
        ("PNG", png_parts, written("PNG")),
        ("interlaced PNG", png_parts, interlaced_png()),
        ("16-bit PNG", png_parts, written("PNG", deep)),
        ("palette PNG", png_parts, written("PNG", PICTURE.quantize(64), transparency=3)),
        ("animated PNG", png_parts, two("PNG")),
        ("WebP", riff_parts, written("WEBP")),
        ("lossless WebP", riff_parts, written("WEBP", lossless=True)),
        ("WebP with alpha", riff_parts, written("WEBP", transparent)),
        ("animated WebP", riff_parts, two("WEBP")),
        ("AVIF", avif_parts, written("AVIF", speed=10)),
        ("AVIF with alpha", avif_parts, written("AVIF", transparent, speed=10)),
        ("animated AVIF", avif_parts, two("AVIF", speed=10)),
        ("GIF", gif_parts, written("GIF")),
        ("animated GIF", gif_parts, two("GIF")),
        ("BMP", bmp_parts, written("BMP")),
        ("palette BMP", bmp_parts, written("BMP", PICTURE.quantize(64))),
        ("run-length BMP", bmp_parts, rle_bmp()),
        ("TIFF", tiff_parts, written("TIFF")),
        *(
            (f"{name} TIFF", tiff_parts, written("TIFF", compression=compression))
            for name, compression in (("LZW", "tiff_lzw"), ("deflated", "tiff_adobe_deflate"), ("JPEG", "jpeg"))
        ),
        ("PackBits TIFF", tiff_parts, written("TIFF", compression="packbits")),
        ("tiled TIFF", tiff_parts, tiled_tiff()),
    ]
    for name, parts, data in kinds:
        loose = parts in (avif_parts, riff_parts, tiff_parts)
        yield Whole(name, data, tuple(sorted(set(parts(data)), key=lambda part: part.start)), loose)


WHOLE_IMAGES = {whole.name: whole for whole in _whole_images()}
