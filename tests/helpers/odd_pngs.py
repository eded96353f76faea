"""Odd PNGs: few bits and many, palettes, transparency of every kind, interlacing, animation."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from helpers.golden import (
    ALPHA,
    DEEP_GRAY,
    DEEP_PICTURE,
    GRAY,
    PICTURE,
    TURNS,
    OddImage,
    bytes_of,
    in_rgb,
    on_white,
    paletted,
)
from helpers.image_files_by_hand import exif, png
from helpers.pictures import encoded
from PIL import Image

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6


def pngs() -> Iterator[OddImage]:
    """Returns all of them."""
    yield from _gray()
    yield from _deep()
    yield from _palettes()
    yield from _keyed()
    yield from _with_alpha()
    yield from _others()


def _gray() -> Iterator[OddImage]:
    for bits in (1, 2, 4, 8):
        values = GRAY >> (8 - bits)
        seen = in_rgb(values / (2**bits - 1) * 255)
        yield OddImage(name=f"gray PNG of {bits} bits", data=png(values, bits=bits, kind=_GRAY), seen=seen)
        clear = 2 ** (bits + 1) // 3
        yield OddImage(
            name=f"gray PNG of {bits} bits with a transparent value",
            data=png(values, bits=bits, kind=_GRAY, chunks=[(b"tRNS", struct.pack(">H", clear))]),
            seen=on_white(seen, np.where(values == clear, 0, 255)),
        )


def _deep() -> Iterator[OddImage]:
    deep_alpha = np.rint(ALPHA / 255 * 65_535).astype(np.uint16)
    yield OddImage(name="gray PNG of 16 bits", data=png(DEEP_GRAY, bits=16, kind=_GRAY), seen=in_rgb(DEEP_GRAY / 257))
    yield OddImage(
        name="RGB PNG of 16 bits", data=png(DEEP_PICTURE, bits=16, kind=_RGB), seen=bytes_of(DEEP_PICTURE / 257)
    )
    yield OddImage(
        name="RGB PNG of 16 bits with alpha",
        data=png(np.dstack([DEEP_PICTURE, deep_alpha]), bits=16, kind=_RGB_ALPHA),
        seen=on_white(DEEP_PICTURE / 257, deep_alpha / 257),
    )
    yield OddImage(
        name="gray PNG of 16 bits with alpha",
        data=png(np.dstack([DEEP_GRAY, deep_alpha]), bits=16, kind=_GRAY_ALPHA),
        seen=on_white(in_rgb(DEEP_GRAY / 257), deep_alpha / 257),
    )


def _palettes() -> Iterator[OddImage]:
    for bits in (1, 2, 4, 8):
        numbers, palette = paletted(2**bits)
        table = (b"PLTE", palette.tobytes())
        yield OddImage(
            name=f"palette PNG of {bits} bits",
            data=png(numbers, bits=bits, kind=_PALETTE, chunks=[table]),
            seen=palette[numbers],
        )
        # Fewer alphas than colours: those left are opaque. One alone, and clear, is told apart by Pillow.
        several = np.linspace(0, 240, max(2, len(palette) - 2)).astype(np.uint8)
        for what, some in ("a single transparent colour", np.zeros(1, np.uint8)), ("several alphas", several):
            alphas = np.pad(some, (0, len(palette) - len(some)), constant_values=255)
            yield OddImage(
                name=f"palette PNG of {bits} bits with {what}",
                data=png(numbers, bits=bits, kind=_PALETTE, chunks=[table, (b"tRNS", some.tobytes())]),
                seen=on_white(palette[numbers], alphas[numbers]),
            )
    numbers, palette = paletted(100)
    yield OddImage(
        name="palette PNG with a palette of 100",
        data=png(numbers, bits=8, kind=_PALETTE, chunks=[(b"PLTE", palette.tobytes())]),
        seen=palette[numbers],
    )


def _keyed() -> Iterator[OddImage]:
    """Yields images of which one colour is transparent, and no other: of 16 bits, all of them count."""
    key = PICTURE[3, 7]
    yield OddImage(
        name="RGB PNG with a transparent colour",
        data=png(PICTURE, bits=8, kind=_RGB, chunks=[(b"tRNS", struct.pack(">3H", *key))]),
        seen=on_white(PICTURE, np.where((key == PICTURE).all(-1), 0, 255)),
    )
    deep_key = DEEP_PICTURE[3, 7]
    yield OddImage(
        name="RGB PNG of 16 bits with a transparent colour",
        data=png(DEEP_PICTURE, bits=16, kind=_RGB, chunks=[(b"tRNS", struct.pack(">3H", *deep_key))]),
        seen=on_white(DEEP_PICTURE / 257, np.where((deep_key == DEEP_PICTURE).all(-1), 0, 255)),
    )
    deep_gray = DEEP_GRAY.copy()
    clear = deep_gray[5, 5]
    deep_gray[10:20, 10:20] = clear + 1
    yield OddImage(
        name="gray PNG of 16 bits with a transparent value",
        data=png(deep_gray, bits=16, kind=_GRAY, chunks=[(b"tRNS", struct.pack(">H", clear))]),
        seen=on_white(in_rgb(deep_gray / 257), np.where(deep_gray == clear, 0, 255)),
    )


def _with_alpha() -> Iterator[OddImage]:
    yield OddImage(
        name="gray PNG with alpha",
        data=png(np.dstack([GRAY, ALPHA]), bits=8, kind=_GRAY_ALPHA),
        seen=on_white(in_rgb(GRAY), ALPHA),
    )
    both = np.dstack([PICTURE, ALPHA])
    yield OddImage(name="RGB PNG with alpha", data=png(both, bits=8, kind=_RGB_ALPHA), seen=on_white(PICTURE, ALPHA))
    yield OddImage(
        name="RGB PNG of which nothing can be seen",
        data=png(np.dstack([PICTURE, 0 * ALPHA]), bits=8, kind=_RGB_ALPHA),
        seen=np.full_like(PICTURE, 255),
    )
    yield OddImage(
        name="RGB PNG with an alpha that hides nothing",
        data=png(np.dstack([PICTURE, 0 * ALPHA + 255]), bits=8, kind=_RGB_ALPHA),
        seen=PICTURE,
    )
    for orientation in (6, 7):
        data = encoded(Image.fromarray(both), "PNG", exif=exif(orientation))
        seen = TURNS[orientation](on_white(PICTURE, ALPHA))
        yield OddImage(name=f"RGB PNG with alpha and orientation {orientation}", data=data, seen=seen)


def _others() -> Iterator[OddImage]:
    numbers, palette = paletted(4)
    chunks = [(b"PLTE", palette.tobytes())]
    yield OddImage(name="interlaced RGB PNG", data=png(PICTURE, bits=8, kind=_RGB, interlaced=True), seen=PICTURE)
    yield OddImage(
        name="interlaced palette PNG of 2 bits",
        data=png(numbers, bits=2, kind=_PALETTE, chunks=chunks, interlaced=True),
        seen=palette[numbers],
    )
    yield OddImage(
        name="interlaced gray PNG of 16 bits",
        data=png(DEEP_GRAY, bits=16, kind=_GRAY, interlaced=True),
        seen=in_rgb(DEEP_GRAY / 257),
    )
    first, second = Image.fromarray(np.dstack([PICTURE, ALPHA])), Image.fromarray(np.dstack([255 - PICTURE, ALPHA]))
    yield OddImage(
        name="animated PNG",
        data=encoded(first, "PNG", save_all=True, append_images=[second], duration=50),
        seen=on_white(PICTURE, ALPHA),
    )
