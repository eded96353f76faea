"""Odd TIFFs: bytes in either order, strips, tiles and planes, values of every kind.

Those that Pillow does not write are written by hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from helpers.golden import (
    ALPHA,
    DEEP_GRAY,
    DEEP_PICTURE,
    GRAY,
    HEIGHT,
    PICTURE,
    TURNS,
    WIDTH,
    OddImage,
    Values,
    bytes_of,
    in_rgb,
    luma_and_chroma,
    of_inks,
    of_luma_and_chroma,
    on_white,
    paletted,
)
from helpers.image_files_by_hand import packed, tiff, tiles
from helpers.odd_jpegs import plain
from helpers.pictures import encoded
from helpers.profiles import srgb_of, xyz_of
from PIL import Image

_WHITE_IS_ZERO, _GRAY, _RGB, _PALETTE, _INKS, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COMPRESSION, _ORIENTATION, _PLANES, _PREDICTOR, _COLORS, _EXTRA, _FORMAT, _SAMPLING = (
    259,
    274,
    284,
    317,
    320,
    338,
    339,
    530,
)
_ORDERS = {"<": "lower byte first", ">": "upper byte first"}


def tiffs() -> Iterator[OddImage]:
    """Returns all of them."""
    yield from _compressed()
    yield from _laid_out()
    yield from _gray()
    yield from _floats()
    yield from _colors()
    yield from _with_alpha()
    yield from _turned()


def _one(name: str, values: Values, photometric: int, seen: Values, *, order: str = "<", **tags: int) -> OddImage:
    """Returns a TIFF of one strip."""
    bits = values.dtype.itemsize * 8
    channels = 1 if values.ndim == 2 else values.shape[2]
    numbers = {"extra": _EXTRA, "kind": _FORMAT, "orientation": _ORIENTATION}
    return OddImage(
        name=name,
        data=tiff(
            [values.astype(f"{order}{values.dtype.str[1:]}").tobytes()],
            size=(WIDTH, HEIGHT),
            bits=(bits,) * channels,
            photometric=photometric,
            order=order,
            tags={numbers[tag]: (value,) * (channels if tag == "kind" else 1) for tag, value in tags.items()},
        ),
        seen=bytes_of(seen),
    )


def _compressed() -> Iterator[OddImage]:
    picture = Image.fromarray(PICTURE)
    for name in ("lzw", "adobe_deflate", "packbits"):
        data = encoded(picture, "TIFF", compression=f"tiff_{name}" if name != "packbits" else name)
        yield OddImage(name=f"TIFF of {name}", data=data, seen=PICTURE)
    data = encoded(picture, "TIFF", compression="tiff_lzw", tiffinfo={_PREDICTOR: 2})
    yield OddImage(name="TIFF of lzw with differences", data=data, seen=PICTURE)
    data = encoded(picture, "TIFF", compression="jpeg", quality=100)
    yield OddImage(name="TIFF of jpeg", data=data, seen=plain(data))
    bilevel = GRAY > 120
    data = encoded(Image.fromarray(bilevel), "TIFF", compression="group4")
    yield OddImage(name="TIFF of a fax", data=data, seen=in_rgb(bilevel * 255))
    data = encoded(picture, "TIFF", save_all=True, append_images=[Image.fromarray(255 - PICTURE)])
    yield OddImage(name="TIFF of two pages", data=data, seen=PICTURE)
    yield OddImage(name="TIFF with offsets of 64 bits", data=encoded(picture, "TIFF", big_tiff=True), seen=PICTURE)


def _laid_out() -> Iterator[OddImage]:
    size, bits = (WIDTH, HEIGHT), (8, 8, 8)
    strips = [PICTURE[row : row + 8].tobytes() for row in range(0, HEIGHT, 8)]
    for order, words in _ORDERS.items():
        data = tiff(strips, size=size, bits=bits, photometric=_RGB, order=order)
        yield OddImage(name=f"TIFF of strips, {words}", data=data, seen=PICTURE)
    # Not as wide and high as a number of tiles, so that those at the edges are filled up.
    blocks = [block.tobytes() for block in tiles(PICTURE, 16)]
    data = tiff(blocks, size=size, bits=bits, photometric=_RGB, tile=16)
    yield OddImage(name="TIFF of tiles", data=data, seen=PICTURE)
    blocks = [zlib.compress(block) for block in blocks]
    data = tiff(blocks, size=size, bits=bits, photometric=_RGB, tile=16, tags={_COMPRESSION: (8,)})
    yield OddImage(name="TIFF of deflated tiles", data=data, seen=PICTURE)
    planes = [PICTURE[..., channel].tobytes() for channel in range(3)]
    data = tiff(planes, size=size, bits=bits, photometric=_RGB, tags={_PLANES: (2,)})
    yield OddImage(name="TIFF of planes", data=data, seen=PICTURE)
    planes = [zlib.compress(plane) for plane in planes]
    data = tiff(planes, size=size, bits=bits, photometric=_RGB, tags={_PLANES: (2,), _COMPRESSION: (8,)})
    yield OddImage(name="TIFF of deflated planes", data=data, seen=PICTURE)


def _gray() -> Iterator[OddImage]:
    for bits in (1, 4):
        values = GRAY >> (8 - bits)
        seen = in_rgb(values / (2**bits - 1) * 255)
        for photometric, rows, words in (
            (_GRAY, values, ""),
            (_WHITE_IS_ZERO, 2**bits - 1 - values, ", white is zero"),
        ):
            strip = packed(rows, bits).tobytes()
            data = tiff([strip], size=(WIDTH, HEIGHT), bits=(bits,), photometric=photometric)
            yield OddImage(name=f"gray TIFF of {bits} bits{words}", data=data, seen=seen)
    yield _one("gray TIFF of 8 bits, white is zero", 255 - GRAY, _WHITE_IS_ZERO, in_rgb(GRAY))
    for order, words in _ORDERS.items():
        seen = in_rgb(DEEP_GRAY / 257)
        yield _one(f"gray TIFF of 16 bits, {words}", DEEP_GRAY, _GRAY, seen, order=order)
        # Pillow does not read the other order.
        if order == "<":
            turned = 65_535 - DEEP_GRAY
            yield _one(f"gray TIFF of 16 bits, white is zero, {words}", turned, _WHITE_IS_ZERO, seen, order=order)
    yield _one(
        "gray TIFF of 8 bits with alpha", np.dstack([GRAY, ALPHA]), _GRAY, on_white(in_rgb(GRAY), ALPHA), extra=2
    )
    premultiplied = bytes_of(GRAY / 255 * ALPHA)
    yield _one(
        "gray TIFF of 8 bits with alpha already in it",
        np.dstack([premultiplied, ALPHA]),
        _GRAY,
        in_rgb(premultiplied + 255.0 - ALPHA),
        extra=1,
    )


def _floats() -> Iterator[OddImage]:
    unit = (GRAY / 255).astype(np.float32)
    for order, words in _ORDERS.items():
        yield _one(f"TIFF of floats from 0 to 1, {words}", unit, _GRAY, in_rgb(GRAY), order=order, kind=3)
    yield _one("TIFF of floats from 0 to 255", unit * 255, _GRAY, in_rgb(GRAY), kind=3)
    yield _one("TIFF of floats from 0 to 1, white is zero", 1 - unit, _WHITE_IS_ZERO, in_rgb(GRAY), kind=3)


def _colors() -> Iterator[OddImage]:
    for order, words in _ORDERS.items():
        yield _one(f"RGB TIFF of 16 bits, {words}", DEEP_PICTURE, _RGB, DEEP_PICTURE / 257, order=order)
    for bits in (4, 8):
        numbers, palette = paletted(2**bits)
        data = tiff(
            [packed(numbers, bits).tobytes()],
            size=(WIDTH, HEIGHT),
            bits=(bits,),
            photometric=_PALETTE,
            tags={_COLORS: [int(value) * 257 for value in palette.T.reshape(-1)]},
        )
        yield OddImage(name=f"palette TIFF of {bits} bits", data=data, seen=palette[numbers])
    inks = np.dstack([255 - PICTURE, GRAY // 3])
    yield _one("CMYK TIFF", inks, _INKS, of_inks(inks))
    yield _one("CMYK TIFF of 16 bits", inks.astype(np.uint16) * 257, _INKS, of_inks(inks))
    values = bytes_of(luma_and_chroma(PICTURE))
    data = tiff(
        [values.tobytes()],
        size=(WIDTH, HEIGHT),
        bits=(8, 8, 8),
        photometric=_YCBCR,
        tags={_SAMPLING: (1, 1)},
    )
    yield OddImage(name="YCbCr TIFF", data=data, seen=of_luma_and_chroma(values))
    yield from _lab()


def _lab() -> Iterator[OddImage]:
    """Yields CIELAB under D50, as its format says: L of 0 to 100 as 0 to 255, a and b as signed bytes."""
    colors = PICTURE.astype(np.int16) - 128
    for words, parts in ("within sRGB", 8), ("beyond sRGB", 1):
        lab = np.dstack([120 + GRAY // 4, colors[..., :2] // parts])
        yield _one(f"Lab TIFF of colours {words}", lab.astype(np.uint8), _LAB, srgb_of(xyz_of(lab / [2.55, 1, 1])))


def _with_alpha() -> Iterator[OddImage]:
    both = np.dstack([PICTURE, ALPHA])
    yield _one("RGB TIFF with alpha", both, _RGB, on_white(PICTURE, ALPHA), extra=2)
    premultiplied = bytes_of(PICTURE / 255 * ALPHA[..., None])
    yield _one(
        "RGB TIFF with alpha already in it",
        np.dstack([premultiplied, ALPHA]),
        _RGB,
        premultiplied + 255.0 - ALPHA[..., None],
        extra=1,
    )
    yield _one("RGB TIFF with a channel of something else", both, _RGB, PICTURE, extra=0)
    deep = both.astype(np.uint16) * 257
    yield _one("RGB TIFF of 16 bits with alpha", deep, _RGB, on_white(PICTURE, ALPHA), extra=2)


def _turned() -> Iterator[OddImage]:
    for orientation in (2, 3, 5, 6, 8):
        seen = TURNS[orientation](PICTURE)
        yield _one(f"TIFF of orientation {orientation}", PICTURE, _RGB, seen, orientation=orientation)
    yield _one(
        "gray TIFF of 16 bits and orientation 7",
        DEEP_GRAY,
        _GRAY,
        TURNS[7](in_rgb(DEEP_GRAY / 257)),
        orientation=7,
    )
