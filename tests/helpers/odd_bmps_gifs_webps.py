"""Odd BMPs, GIFs, WebPs and AVIFs.

What is seen of a lossy one is what Pillow's plain decoder makes of it, to which numpy does the rest. There is no AVIF
of 10 bits, as Pillow writes none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from helpers.golden import (
    ALPHA,
    GRAY,
    HEIGHT,
    PICTURE,
    TURNS,
    WIDTH,
    OddImage,
    Pixels,
    bytes_of,
    in_rgb,
    on_white,
    paletted,
)
from helpers.image_files_by_hand import bmp, exif, packed, padded
from helpers.odd_jpegs import plain
from helpers.pictures import encoded
from PIL import Image, features

_SIZE = (WIDTH, HEIGHT)
_BOTH = np.dstack([PICTURE, ALPHA])


def others() -> Iterator[OddImage]:
    """Returns all that this Pillow can write."""
    yield from _bmps()
    yield from _gifs()
    if features.check("webp"):
        yield from _webps()
    if features.check("avif"):
        yield from _avifs()


def _bmps() -> Iterator[OddImage]:
    for bits in (1, 4, 8):
        numbers, palette = paletted(2**bits)
        data = bmp(padded(packed(numbers, bits)), size=_SIZE, bits=bits, palette=palette)
        yield OddImage(name=f"BMP of {bits} bits", data=data, seen=palette[numbers])
    numbers, palette = paletted(16)
    for bits, kind in (4, 2), (8, 1):
        data = bmp(_runs(numbers, bits), size=_SIZE, bits=bits, palette=palette, compression=kind)
        yield OddImage(name=f"BMP of runs of {bits} bits", data=data, seen=palette[numbers])

    red, green, blue = np.moveaxis(PICTURE.astype(np.uint16), -1, 0)
    for name, shifts, tops, masks in (
        ("565", (11, 5, 0), (31, 63, 31), (0xF800, 0x7E0, 0x1F)),
        ("555", (10, 5, 0), (31, 31, 31), ()),
    ):
        levels = [np.rint(channel / 255 * top) for channel, top in zip((red, green, blue), tops, strict=True)]
        values = sum((level.astype(np.uint16) << shift for level, shift in zip(levels, shifts, strict=True)), 0 * red)
        data = bmp(padded(packed(values, 16, "<")), size=_SIZE, bits=16, compression=3 if masks else 0, masks=masks)
        seen = bytes_of(np.dstack([level / top * 255 for level, top in zip(levels, tops, strict=True)]))
        yield OddImage(name=f"BMP of 16 bits, {name}", data=data, seen=seen)

    rows = PICTURE[..., ::-1].reshape(HEIGHT, -1)
    yield OddImage(name="BMP of 24 bits", data=bmp(padded(rows), size=_SIZE, bits=24), seen=PICTURE)
    upside_down = bmp(padded(rows[::-1]), size=_SIZE, bits=24, top_down=True)
    yield OddImage(name="BMP with its upper row first", data=upside_down, seen=PICTURE)
    narrow = bmp(padded(rows[:, :-9]), size=(WIDTH - 3, HEIGHT), bits=24)
    yield OddImage(name="BMP of 24 bits with rows filled up", data=narrow, seen=PICTURE[:, :-3])

    rows = np.dstack([PICTURE[..., ::-1], ALPHA]).reshape(HEIGHT, -1)
    data = bmp(padded(rows), size=_SIZE, bits=32)
    yield OddImage(name="BMP of 32 bits, eight of no meaning", data=data, seen=PICTURE)
    fields = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(padded(rows), size=_SIZE, bits=32, compression=3, masks=fields)
    yield OddImage(name="BMP of 32 bits with alpha", data=data, seen=on_white(PICTURE, ALPHA))


def _runs(numbers: Pixels, bits: int) -> bytes:
    """Returns rows of a BMP as runs of one colour, of which the first four of each row are spelt out."""
    data = b""
    for row in numbers[::-1]:
        spelt = packed(row[None, :4], bits).tobytes()
        data += bytes((0, 4)) + spelt
        starts = [4, *(place for place in range(5, WIDTH) if row[place] != row[place - 1]), WIDTH]
        for start, end in pairwise(starts):
            data += bytes((end - start, row[start] * (17 if bits == 4 else 1)))
        data += b"\0\0"
    return data + b"\0\1"


def _gifs() -> Iterator[OddImage]:
    numbers, palette = paletted(200)
    image = Image.fromarray(numbers, "P")
    image.putpalette(palette.tobytes())
    second = Image.fromarray(PICTURE[::-1])
    for interlaced in (0, 1):
        data = encoded(image, "GIF", interlace=interlaced)
        yield OddImage(name="interlaced GIF" if interlaced else "GIF", data=data, seen=palette[numbers])
    clear = int(numbers[20, 20])
    seen = on_white(palette[numbers], np.where(numbers == clear, 0, 255))
    data = encoded(image, "GIF", transparency=clear, interlace=0, optimize=False)
    yield OddImage(name="GIF with a transparent colour", data=data, seen=seen)
    moved = np.full((HEIGHT + 8, WIDTH + 12, 3), 255, np.uint8)
    moved[3 : 3 + HEIGHT, 5 : 5 + WIDTH] = seen
    yield OddImage(name="GIF on part of its canvas", data=_moved(data, 5, 3, 12, 8), seen=moved)
    data = encoded(image, "GIF", save_all=True, append_images=[second], duration=50, loop=0)
    yield OddImage(name="animated GIF", data=data, seen=palette[numbers])
    data = encoded(image, "GIF", save_all=True, append_images=[second], duration=50, transparency=clear, disposal=2)
    yield OddImage(name="animated GIF with a transparent colour", data=data, seen=seen)


def _moved(gif: bytes, left: int, top: int, wider: int, higher: int) -> bytes:
    """Returns a GIF of one frame on a larger canvas, of which the frame leaves the rest as clear as it begins."""
    width, height, flags = struct.unpack_from("<HHB", gif, 6)
    place = 13 + 3 * 2 ** ((flags & 7) + 1)
    while gif[place : place + 1] == b"!":
        place += 8
    assert gif[place : place + 1] == b","
    canvas = struct.pack("<HH", width + wider, height + higher)
    return gif[:6] + canvas + gif[10 : place + 1] + struct.pack("<HH", left, top) + gif[place + 5 :]


def _webps() -> Iterator[OddImage]:
    picture, both = Image.fromarray(PICTURE), Image.fromarray(_BOTH)
    seen = on_white(PICTURE, ALPHA)
    yield OddImage(name="lossless WebP", data=encoded(picture, "WEBP", lossless=True), seen=PICTURE)
    yield OddImage(name="lossless WebP with alpha", data=encoded(both, "WEBP", lossless=True, exact=True), seen=seen)
    lossy = encoded(picture, "WEBP", quality=90)
    yield OddImage(name="WebP", data=lossy, seen=plain(lossy))
    lossy = encoded(both, "WEBP", quality=90, exact=True)
    decoded = plain(lossy)
    yield OddImage(name="WebP with alpha", data=lossy, seen=on_white(decoded[..., :3], decoded[..., 3]))
    options = {"lossless": True, "exact": True, "save_all": True, "duration": 50}
    data = encoded(both, "WEBP", append_images=[Image.fromarray(255 - _BOTH)], **options)
    yield OddImage(name="animated WebP", data=data, seen=seen)
    for orientation in (3, 6):
        data = encoded(picture, "WEBP", lossless=True, exif=exif(orientation))
        yield OddImage(name=f"WebP of orientation {orientation}", data=data, seen=TURNS[orientation](PICTURE))


def _avifs() -> Iterator[OddImage]:
    # The best quality is not lossless, so the plain decoder says what is seen, as for JPEG.
    picture = Image.fromarray(PICTURE)
    options = {"quality": 100, "subsampling": "4:4:4", "speed": 8}
    data = encoded(picture, "AVIF", **options)
    straight = plain(data)
    assert np.abs(straight - PICTURE.astype(int)).max() <= 4
    yield OddImage(name="AVIF", data=data, seen=straight)
    few = encoded(picture, "AVIF", subsampling="4:2:0", range="limited", speed=8)
    yield OddImage(name="AVIF of 4:2:0 in the range of television", data=few, seen=plain(few))
    gray = encoded(Image.fromarray(GRAY), "AVIF", quality=100, speed=8)
    yield OddImage(name="gray AVIF", data=gray, seen=in_rgb(plain(gray)) if plain(gray).ndim == 2 else plain(gray))
    for premultiplied in (False, True):
        name = f"AVIF with alpha{' already in it' * premultiplied}"
        both = encoded(Image.fromarray(_BOTH), "AVIF", alpha_premultiplied=premultiplied, **options)
        decoded = plain(both)
        yield OddImage(name=name, data=both, seen=on_white(decoded[..., :3], decoded[..., 3]))
    data = encoded(picture, "AVIF", save_all=True, append_images=[Image.fromarray(255 - PICTURE)], **options)
    yield OddImage(name="animated AVIF", data=data, seen=plain(data))

    # A turn is in the file's own boxes, which Pillow reports as if they were EXIF.
    for orientation in range(2, 9):
        data = encoded(picture, "AVIF", exif=exif(orientation), **options)
        assert b"irot" in data or b"imir" in data
        assert b"Exif" not in data
        yield OddImage(name=f"AVIF of orientation {orientation}", data=data, seen=TURNS[orientation](straight))

    # EXIF's own orientation is for information only. Pillow writes none, so that another field becomes it.
    field, turn = struct.pack("<HHI", 0x0111, 3, 1), struct.pack("<HHI", 0x0112, 3, 1)
    data = encoded(picture, "AVIF", exif=exif(6).replace(turn, field), **options)
    assert data.count(field) == 1
    data = data.replace(field, turn)
    yield OddImage(name="AVIF that is turned in its EXIF alone", data=data, seen=straight)
