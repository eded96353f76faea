"""Odd colours: images with ICC profiles, right ones, wrong ones and broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from helpers.golden import (
    ALPHA,
    GRAY,
    HEIGHT,
    PICTURE,
    TURNS,
    WIDTH,
    OddImage,
    Values,
    in_rgb,
    of_inks,
    on_white,
    paletted,
)
from helpers.image_files_by_hand import exif, icc_chunk, joined, png, segments, tiff
from helpers.odd_jpegs import jpeg, plain
from helpers.pictures import encoded
from helpers.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    DISPLAY_P3_2,
    GBR,
    GRAY_18,
    INKS,
    LINEAR,
    PROPHOTO,
    SRGB,
    SRGB_4,
)
from PIL import Image, features

_RGB_PROFILES = {
    "sRGB": SRGB,
    "sRGB of version 4": SRGB_4,
    "Display P3": DISPLAY_P3,
    "Display P3 of version 2": DISPLAY_P3_2,
    "Adobe RGB (1998)": ADOBE_RGB,
    "ProPhoto RGB": PROPHOTO,
    "linear light": LINEAR,
    "green, blue, red": GBR,
}
_PROFILE = 34675


def odd_colors() -> Iterator[OddImage]:
    """Returns all of them."""
    yield from _by_profile()
    yield from _by_format()
    yield from _gray()
    yield from _inks()
    yield from _palettes()
    yield from _with_alpha()
    yield from _ignored()


def _by_profile() -> Iterator[OddImage]:
    straight = plain(jpeg(PICTURE))
    for name, profile in _RGB_PROFILES.items():
        data = png(PICTURE, bits=8, kind=2, chunks=[icc_chunk(profile.to_bytes())])
        yield OddImage(name=f"PNG of {name}", data=data, seen=profile.to_srgb(PICTURE))
        # What a JPEG loses is none of the profile's, so the plain file says what is converted.
        data = jpeg(PICTURE, icc_profile=profile.to_bytes())
        yield OddImage(name=f"JPEG of {name}", data=data, seen=profile.to_srgb(straight))


def _by_format() -> Iterator[OddImage]:
    profile, seen = ADOBE_RGB.to_bytes(), ADOBE_RGB.to_srgb(PICTURE)
    picture, straight = Image.fromarray(PICTURE), plain(jpeg(PICTURE))
    data = encoded(picture, "TIFF", compression="tiff_lzw", icc_profile=profile)
    yield OddImage(name="TIFF of Adobe RGB (1998)", data=data, seen=seen)
    data = _tiff(PICTURE.astype(np.uint16) * 257, 2, profile)
    yield OddImage(name="TIFF of 16 bits of Adobe RGB (1998)", data=data, seen=seen)
    data = png(PICTURE.astype(np.uint16) * 257, bits=16, kind=2, chunks=[icc_chunk(profile)])
    yield OddImage(name="PNG of 16 bits of Adobe RGB (1998)", data=data, seen=seen)
    if features.check("webp"):
        data = encoded(picture, "WEBP", lossless=True, icc_profile=profile)
        yield OddImage(name="WebP of Adobe RGB (1998)", data=data, seen=seen)
    if features.check("avif"):
        options = {"quality": 100, "subsampling": "4:4:4", "speed": 8}
        converted = ADOBE_RGB.to_srgb(plain(encoded(picture, "AVIF", **options)))
        data = encoded(picture, "AVIF", icc_profile=profile, **options)
        yield OddImage(name="AVIF of Adobe RGB (1998)", data=data, seen=converted)
    data = jpeg(PICTURE, icc_profile=DISPLAY_P3.to_bytes(), exif=exif(6))
    yield OddImage(name="JPEG of Display P3 and orientation 6", data=data, seen=TURNS[6](DISPLAY_P3.to_srgb(straight)))
    large = replace(DISPLAY_P3, padding=150_000).to_bytes()
    data = jpeg(PICTURE, icc_profile=large)
    yield OddImage(name="JPEG of a profile in three parts", data=data, seen=DISPLAY_P3.to_srgb(straight))
    # Parts are numbered, and may come in any order.
    parts, pixels = segments(data)
    profiles = [part for part in parts if part[1].startswith(b"ICC_PROFILE")]
    assert len(profiles) == 3
    rest = [part for part in parts if part not in profiles]
    data = joined([rest[0], *reversed(profiles), *rest[1:]], pixels)
    yield OddImage(
        name="JPEG of a profile in three parts, the last first", data=data, seen=DISPLAY_P3.to_srgb(straight)
    )


def _gray() -> Iterator[OddImage]:
    profile, seen = GRAY_18.to_bytes(), GRAY_18.to_srgb(GRAY)
    chunks = [icc_chunk(profile)]
    yield OddImage(name="gray PNG of gamma 1.8", data=png(GRAY, bits=8, kind=0, chunks=chunks), seen=seen)
    data = jpeg(GRAY, icc_profile=profile)
    yield OddImage(name="gray JPEG of gamma 1.8", data=data, seen=GRAY_18.to_srgb(plain(jpeg(GRAY))))
    yield OddImage(name="gray TIFF of gamma 1.8", data=_tiff(GRAY, 1, profile), seen=seen)
    deep = GRAY.astype(np.uint16) * 257
    yield OddImage(name="gray PNG of 16 bits of gamma 1.8", data=png(deep, bits=16, kind=0, chunks=chunks), seen=seen)
    data = _tiff(deep, 1, profile)
    yield OddImage(name="gray TIFF of 16 bits of gamma 1.8", data=data, seen=seen)
    few = GRAY // 85
    data = png(few, bits=2, kind=0, chunks=chunks)
    yield OddImage(name="gray PNG of 2 bits of gamma 1.8", data=data, seen=GRAY_18.to_srgb(few * 85))
    data = png(np.dstack([GRAY, ALPHA]), bits=8, kind=4, chunks=chunks)
    yield OddImage(name="gray PNG with alpha of gamma 1.8", data=data, seen=on_white(seen, ALPHA))


def _inks() -> Iterator[OddImage]:
    inks = np.dstack([255 - PICTURE, GRAY])
    seen = INKS.to_srgb(inks)
    yield OddImage(name="CMYK TIFF of a press's profile", data=_tiff(inks, 5, INKS.to_bytes()), seen=seen)
    data = jpeg(inks, "CMYK", icc_profile=INKS.to_bytes())
    yield OddImage(name="CMYK JPEG of a press's profile", data=data, seen=seen)


def _palettes() -> Iterator[OddImage]:
    numbers, palette = paletted(256)
    chunks = [icc_chunk(DISPLAY_P3.to_bytes()), (b"PLTE", palette.tobytes())]
    seen = DISPLAY_P3.to_srgb(palette)[numbers]
    data = png(numbers, bits=8, kind=3, chunks=chunks)
    yield OddImage(name="palette PNG of Display P3", data=data, seen=seen)
    alphas = np.linspace(0, 255, 256).astype(np.uint8)
    data = png(numbers, bits=8, kind=3, chunks=[*chunks, (b"tRNS", alphas.tobytes())])
    yield OddImage(name="palette PNG with alphas of Display P3", data=data, seen=on_white(seen, alphas[numbers]))


def _with_alpha() -> Iterator[OddImage]:
    """Yields images that show white in part: sRGB's, as screens have it, to which their colours come converted."""
    both = np.dstack([PICTURE, ALPHA])
    for name, profile in {"Display P3": DISPLAY_P3, "Adobe RGB (1998)": ADOBE_RGB, "green, blue, red": GBR}.items():
        seen = on_white(profile.to_srgb(PICTURE), ALPHA)
        data = png(both, bits=8, kind=6, chunks=[icc_chunk(profile.to_bytes())])
        yield OddImage(name=f"PNG with alpha of {name}", data=data, seen=seen)
    key = PICTURE[3, 7]
    chunks = [icc_chunk(DISPLAY_P3.to_bytes()), (b"tRNS", key.astype(">u2").tobytes())]
    clear = np.where((key == PICTURE).all(-1), 0, 255)
    data = png(PICTURE, bits=8, kind=2, chunks=chunks)
    yield OddImage(
        name="PNG with a transparent colour of Display P3",
        data=data,
        seen=on_white(DISPLAY_P3.to_srgb(PICTURE), clear),
    )
    value = GRAY[5, 5]
    data = png(GRAY, bits=8, kind=0, chunks=[icc_chunk(GRAY_18.to_bytes()), (b"tRNS", int(value).to_bytes(2, "big"))])
    yield OddImage(
        name="gray PNG with a transparent value of gamma 1.8",
        data=data,
        seen=on_white(GRAY_18.to_srgb(GRAY), np.where(value == GRAY, 0, 255)),
    )
    if features.check("webp"):
        data = encoded(Image.fromarray(both), "WEBP", lossless=True, exact=True, icc_profile=DISPLAY_P3.to_bytes())
        seen = on_white(DISPLAY_P3.to_srgb(PICTURE), ALPHA)
        yield OddImage(name="WebP with alpha of Display P3", data=data, seen=seen)


def _ignored() -> Iterator[OddImage]:
    """Yields images with profiles that say nothing of their pixels, which are seen as they are."""
    p3, gray = DISPLAY_P3.to_bytes(), GRAY_18.to_bytes()
    straight = plain(jpeg(PICTURE))
    for name, profile in {
        "an empty profile": b"",
        "a profile of garbage": bytes(range(256)) * 3,
        "a profile cut in half": p3[: len(p3) // 2],
        "a profile cut in its header": p3[:100],
        "a profile without curves": p3.replace(b"TRC", b"xxx"),
        "a profile without its signature": p3.replace(b"acsp", b"xxxx"),
        "a profile for gray": gray,
        "a profile that says it is for inks": replace(ADOBE_RGB, space=b"CMYK").to_bytes(),
    }.items():
        data = png(PICTURE, bits=8, kind=2, chunks=[icc_chunk(profile)])
        yield OddImage(name=f"RGB PNG of {name}", data=data, seen=PICTURE)
        if profile:
            data = jpeg(PICTURE, icc_profile=profile)
            yield OddImage(name=f"RGB JPEG of {name}", data=data, seen=straight)
    data = png(GRAY, bits=8, kind=0, chunks=[icc_chunk(ADOBE_RGB.to_bytes())])
    yield OddImage(name="gray PNG of a profile for RGB", data=data, seen=in_rgb(GRAY))
    inks = np.dstack([255 - PICTURE, GRAY // 3])
    data = _tiff(inks, 5, p3)
    yield OddImage(name="CMYK TIFF of a profile for RGB", data=data, seen=of_inks(inks))
    data = png(PICTURE, bits=8, kind=2, chunks=[(b"iCCP", b"profile\0\0" + b"not deflated")])
    yield OddImage(name="PNG of a profile that cannot be unpacked", data=data, seen=PICTURE)
    parts, pixels = segments(jpeg(PICTURE))
    data = joined([parts[0], (0xE2, b"ICC_PROFILE\0\1\2" + p3), *parts[1:]], pixels)
    yield OddImage(name="JPEG of a profile of which a part is missing", data=data, seen=straight)


def _tiff(values: Values, photometric: int, profile: bytes) -> bytes:
    bits = (values.dtype.itemsize * 8,) * (1 if values.ndim == 2 else values.shape[2])
    return tiff([values.tobytes()], size=(WIDTH, HEIGHT), bits=bits, photometric=photometric, tags={_PROFILE: profile})
