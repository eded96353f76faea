"""Images that are harmless to look at, with very much, or very odd, beside their pixels."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from helpers.bad_image import MAYBE, SHOWN, UNREADABLE, BadImage
from helpers.bombs import MOST_BYTES
from helpers.image_parts import (
    IEND,
    RATIONAL,
    SHORT,
    Tag,
    deflated_zeros,
    exif_directory,
    gif,
    gif_frame,
    idat,
    ihdr,
    jpeg_with,
    patched,
    png,
    png_with,
    riff,
    segment,
    tiff,
    vp8x,
)
from helpers.whole_images import PICTURE, WHOLE_IMAGES
from PIL import ImageCms

_SEGMENT = 65_533
"""Bytes that a JPEG's segment can hold."""


def _jpeg() -> bytes:
    """Returns the picture without what says its resolution, which is then looked for in its EXIF."""
    data = WHOLE_IMAGES["JPEG"].data
    return data[:2] + data[20:]


def _split(kind: bytes, marker: int, data: bytes) -> Iterator[bytes]:
    """Yields segments that hold data, each with a word before its own."""
    size = _SEGMENT - len(kind)
    for start in range(0, len(data), size):
        yield segment(marker, kind + data[start : start + size])


# PNG. -----------------------------------------------------------------------------------------------


def _png_of_bomb(kind: bytes, head: bytes, *, behind: bool = False) -> bytes:
    bomb = kind, head + deflated_zeros(2_000_000_000)
    return png_with(after=(bomb,)) if behind else png_with(bomb)


def _png_of_many(kind: bytes, head: bytes, packed: bytes, count: int) -> bytes:
    """Returns a PNG of many chunks that have names of their own."""
    return png_with(*((kind, b"%d" % number + head + packed) for number in range(count)))


def packed_texts() -> Iterator[BadImage]:
    """Yields PNGs whose texts or profile unpack to very much, before and after their pixels."""
    compressed = {
        "zTXt": (b"zTXt", b"a\0\0"),
        "iTXt": (b"iTXt", b"a\0\1\0\0\0"),
        "iTXt of XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
        "iCCP": (b"iCCP", b"a\0\0"),
    }
    for name, (kind, head) in compressed.items():
        bomb = partial(_png_of_bomb, kind, head)
        yield BadImage(f"PNG with a bomb for {name}", bomb, MAYBE | UNREADABLE)
        yield BadImage(f"PNG with a bomb for {name} behind its pixels", partial(bomb, behind=True), MAYBE)
    text = bytes(1 << 20)
    # A letter beyond the usual ones makes each of the others take four bytes.
    wide = ("a" * 1_000_000 + "\U0001f600").encode()
    for name, head, each, count in (
        ("zTXt", b"\0\0", text, 500),
        ("iTXt", b"\0\1\0\0\0", text, 500),
        ("iTXt of wide letters", b"\0\1\0\0\0", wide, 60),
        ("iCCP", b"\0\0", text, 500),
    ):
        many = partial(_png_of_many, name[:4].encode(), head, zlib.compress(each), count)
        yield BadImage(f"PNG of many {name}", many, MAYBE | UNREADABLE)
    yield BadImage("PNG of 900,000 texts", lambda: png_with(*((b"tEXt", b"%d\0b" % n) for n in range(900_000))), SHOWN)
    yield BadImage("PNG of a million chunks", lambda: png_with(*[(b"aaAa", b"")] * 1_000_000), SHOWN)
    empty = [(b"IDAT", b"")] * 300_000
    yield BadImage("PNG of 300,000 empty data", lambda: png(ihdr(), *empty, idat(), IEND), MAYBE)
    yield BadImage(
        "PNG of ten megabytes of EXIF", lambda: png_with((b"eXIf", b"II*\0\x08\0\0\0" + bytes(10**7))), SHOWN
    )


# ICC profiles. --------------------------------------------------------------------------------------


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _split_profile(data: bytes) -> bytes:
    """Returns the picture with a profile that is split over as many segments as it takes."""
    size = _SEGMENT - 14
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    segments = (
        segment(0xE2, b"ICC_PROFILE\0" + bytes((number % 256, len(parts) % 256)) + part)
        for number, part in enumerate(parts, 1)
    )
    return jpeg_with(_jpeg(), *segments)


def _tagged(*tags: tuple[bytes, int, int], data: bytes = b"") -> bytes:
    """Returns a profile with a header that is right, and tags that each have a name, a place and a size."""
    table = struct.pack(">I", len(tags)) + b"".join(struct.pack(">4sII", *tag) for tag in tags)
    body = _profile()[4:128] + table + data
    return struct.pack(">I", len(body) + 4) + body


def _with_curves(curve: bytes) -> bytes:
    """Returns a profile in which each of the three colours has a curve."""
    profile = bytearray(_profile() + curve)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        struct.pack_into(">II", profile, profile.index(name) + 4, len(profile) - len(curve), len(curve))
    return struct.pack(">I", len(profile)) + profile[4:]


def odd_profiles() -> Iterator[BadImage]:
    """Yields the picture with profiles that are huge, nested or broken."""
    profile = _profile()
    names = (b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt", b"A2B0", b"desc")
    tables = b"mft2\0\0\0\0\3\3\xff\0" + bytes(36) + struct.pack(">HH", 4096, 4096)
    table = b"mft1\0\0\0\0\3\3\x64\0" + struct.pack(">9I", *(65_536 * (at % 4 == 0) for at in range(9)))
    large_table = table + bytes(range(256)) * 3 + bytes(100**3 * 3) + bytes(range(256)) * 3
    curve = b"curv\0\0\0\0" + struct.pack(">I", 2**30)
    long_curve = b"curv\0\0\0\0" + struct.pack(">I", 500_000) + b"\x7f\xff" * 500_000
    start = 132 + 12 * len(names)
    profiles = {
        "that says it has four gigabytes": patched(profile, 0, b"\xff\xff\xff\xff"),
        "of no bytes": b"",
        "of noise": random.Random(3).randbytes(3000),
        "whose tags are one another": _tagged(*((name, 132, 12 * len(names)) for name in names)),
        "whose tags are all of it": _tagged(*((name, 0, start) for name in names), data=bytes(64)),
        "whose tags are beyond its end": _tagged(*((name, 2**31, 2**31) for name in names)),
        "whose tags end beyond the world": _tagged(*((name, 2**32 - 4, 2**32 - 4) for name in names)),
        "of four billion tags": patched(profile, 128, b"\xff\xff\xff\xff"),
        "of a table of 255^3": _tagged((b"A2B0", 144, 400), data=tables + bytes(400)),
        "of curves of a billion points": _tagged(*((name, start, 12) for name in names), data=curve),
        "of a table of 100^3": _tagged((b"A2B0", 144, len(large_table)), data=large_table),
        "of curves of half a million points": _with_curves(long_curve),
        "of another kind of colours": patched(profile, 16, b"CMYK"),
        "of colours that nobody knows": patched(profile, 16, b"FCLR"),
        "of devices that link to another": patched(profile, 12, b"link"),
        "of an unknown version": patched(profile, 8, b"\xff\xff\xff\xff"),
    }
    nested = profile
    for _ in range(60):
        nested = _tagged((b"desc", 144, len(nested)), data=nested)
    profiles["within a profile, sixty times"] = nested
    rng = random.Random(4)
    for number in range(12):
        at, bit = rng.randrange(len(profile)), rng.randrange(8)
        profiles[f"with bit {bit} turned at {at}, number {number}"] = patched(
            profile, at, bytes((profile[at] ^ 1 << bit,))
        )
    for name, data in profiles.items():
        yield BadImage(f"JPEG with a profile {name}", _split_profile(data), SHOWN)
    for name in ("whose tags are one another", "of a table of 255^3", "of curves of a billion points", "of noise"):
        yield BadImage(
            f"PNG with a profile {name}", png_with((b"iCCP", b"a\0\0" + zlib.compress(profiles[name]))), SHOWN
        )
    huge = struct.pack(">I", 16_000_000) + profile[4:]
    yield BadImage("JPEG with a profile of 16 MB", lambda: _split_profile(huge.ljust(16_000_000, b"\0")), SHOWN)
    wrong = segment(0xE2, b"ICC_PROFILE\0\1\xff" + profile)
    yield BadImage("JPEG with one part of 255 of a profile", jpeg_with(_jpeg(), wrong), SHOWN)
    yield BadImage(
        "JPEG with a profile of no parts", jpeg_with(_jpeg(), segment(0xE2, b"ICC_PROFILE\0")), MAYBE | UNREADABLE
    )
    yield BadImage("JPEG with the same part of a profile 255 times", jpeg_with(_jpeg(), *[wrong] * 255), SHOWN)


# EXIF, XMP and comments. ----------------------------------------------------------------------------


def _exif(tags: dict[int, Tag], behind: bytes = b"", at: int = 8) -> bytes:
    return b"II*\0" + struct.pack("<I", at) + exif_directory(tags, 8) + behind


def _with_exif(exif: bytes) -> bytes:
    return jpeg_with(_jpeg(), *_split(b"Exif\0\0", 0xE1, exif))


def _made_with_exif(exif: Callable[[], bytes]) -> bytes:
    return _with_exif(exif())


def _fractions(count: int) -> bytes:
    return struct.pack("<II", 7, 3) * count


def odd_exif() -> Iterator[BadImage]:
    """Yields the picture with EXIF that is huge, goes in circles, or lies."""
    many: dict[int, Tag] = dict.fromkeys(range(1, 5000), (SHORT, 1, b"\1\0"))
    for name, exif in (
        ("of no bytes", b""),
        ("of 5,000 tags", _exif(many)),
        ("whose next directory is itself", b"II*\0\x08\0\0\0" + exif_directory({274: 1}, 8, following=8)),
        ("whose sub-directories are itself", _exif({274: 1, 34665: 8, 34853: 8, 40965: 8, 330: 8})),
        ("whose directory is beyond its end", _exif({274: 1}, at=70_000)),
        ("whose directory is its header", _exif({274: 1}, at=0)),
        ("of 65,535 tags that are not there", b"II*\0\x08\0\0\0\xff\xff" + bytes(90)),
        ("of an orientation of four billion numbers", _exif({274: (SHORT, 2**32 - 1, b"\x08\0\0\0")})),
        ("of an orientation in words", _exif({274: (2, 4, b"top\0")})),
        ("of an orientation of 99", _exif({274: 99})),
        ("of a resolution of x / 0", _exif({282: (RATIONAL, 1, bytes(8)), 296: 3})),
    ):
        yield BadImage(f"JPEG with EXIF {name}", _with_exif(exif), SHOWN)
    same: dict[int, Tag] = {number: (7, 9_000_000, struct.pack("<I", 8)) for number in range(40_000, 40_500)}
    sources: dict[str, Callable[[], bytes]] = {
        "of ten megabytes": lambda: _exif({274: 1}, bytes(10_000_000)),
        "of ten megabytes in one tag": lambda: _exif({37500: (7, 10_000_000, bytes(10_000_000))}),
        "of 500 tags that are the same nine megabytes": lambda: _exif(same, bytes(9_500_000)),
        "of a resolution of two million fractions": lambda: _exif(
            {282: (RATIONAL, 2_000_000, _fractions(2_000_000)), 296: 2}
        ),
        "of an orientation of four million numbers": lambda: _exif({274: (SHORT, 4_000_000, b"\1\0" * 4_000_000)}),
    }
    for name, source in sources.items():
        yield BadImage(f"JPEG with EXIF {name}", partial(_made_with_exif, source), SHOWN)
    tiny = segment(0xE1, b"Exif\0\0II*\0aaaaaa")
    yield BadImage("JPEG with EXIF in 900,000 segments", lambda: jpeg_with(_jpeg(), tiny * 900_000), SHOWN)
    noted = segment(0xE5, b"abc")
    yield BadImage("JPEG of two million notes", lambda: jpeg_with(_jpeg(), noted * (MOST_BYTES // 7)), SHOWN)
    tables = b"\xff\xdb\0\x43\0" + b"\1" * 64
    yield BadImage("JPEG of 200,000 tables", lambda: jpeg_with(_jpeg(), tables * 200_000), MAYBE)
    laughs = b"<!DOCTYPE x [" + b"".join(
        b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 30)
    )
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    for name, data in (
        ("of a billion laughs", laughs + b"]><x>&a29;</x>"),
        ("of noise", random.Random(5).randbytes(50_000)),
        ("that turns it by 9", b'<x tiff:Orientation="9"/>'),
        ("of half a tag", b"<x:xmpmeta " * 5000),
    ):
        yield BadImage(f"JPEG with XMP {name}", jpeg_with(_jpeg(), segment(0xE1, xmp + data)), SHOWN)
    yield BadImage("JPEG of 19 MB of XMP", lambda: jpeg_with(_jpeg(), *_split(xmp, 0xE1, b"<x>" * 6_300_000)), SHOWN)
    for kind, flag in ((b"EXIF", 8), (b"XMP ", 4), (b"ICCP", 32)):
        name = f"WebP of ten megabytes of {kind.decode().strip()}"
        yield BadImage(name, partial(_webp_with, kind, flag, 10_000_000), SHOWN)


def _webp_with(kind: bytes, flag: int, size: int) -> bytes:
    picture = (b"VP8 ", WHOLE_IMAGES["WebP"].data[20:])
    # A profile comes before the picture, anything else behind it.
    chunks = ((kind, bytes(size)), picture) if kind == b"ICCP" else (picture, (kind, bytes(size)))
    return riff(vp8x(*PICTURE.size, flag), *chunks)


def _repeated(block: bytes, times: int) -> bytes:
    return gif(block * times, gif_frame())


def odd_gifs() -> Iterator[BadImage]:
    for name, block, times in (
        ("a million comments", b"!\xfe\1a\0", 1_000_000),
        ("a million extensions", b"!\xff\1a\0", 1_000_000),
        ("a million empty extensions", b"!\xff\0\0", 1_000_000),
    ):
        yield BadImage(f"GIF of {name}", partial(_repeated, block, times), SHOWN)
    pieces = MOST_BYTES // 3
    yield BadImage(
        "GIF of a comment in six million pieces", lambda: gif(b"!\xfe" + b"\2ab" * pieces + b"\0", gif_frame()), SHOWN
    )


def odd_tiff_tags() -> Iterator[BadImage]:
    """Yields TIFFs whose tags are long lists."""
    for name, number in (("offsets", 273), ("byte counts", 279)):
        yield BadImage(f"TIFF of four million {name}", partial(_listing, number), MAYBE)
        deflated = partial(_listing, number, deflated=True)
        yield BadImage(f"deflated TIFF of four million {name}", deflated, MAYBE | UNREADABLE)
    yield BadImage("TIFF of four million bit depths", partial(_listing, 258), MAYBE | UNREADABLE)
    yield BadImage("TIFF of four million widths", partial(_listing, 256), MAYBE | UNREADABLE)
    yield BadImage(
        "TIFF of a resolution of a million fractions",
        lambda: tiff({282: (RATIONAL, 1_000_000, _fractions(1_000_000))}),
        SHOWN,
    )
    same: dict[int, Tag] = {number: (7, 9_000_000, struct.pack("<I", 8)) for number in range(40_000, 40_500)}
    yield BadImage("TIFF of 500 tags that are the same nine megabytes", lambda: tiff(same, bytes(9_500_000)), SHOWN)
    yield BadImage("TIFF of 47,000 tags", lambda: tiff(dict.fromkeys(range(1000, 48_000), (SHORT, 1, b"\1\0"))), SHOWN)


def _listing(number: int, *, deflated: bool = False) -> bytes:
    """Returns a TIFF in strips of a row, one of whose tags is four million times the number 8."""
    count = 4_000_000
    packed = zlib.compress(bytes(range(64)))
    tags: dict[int, Tag] = {259: 8, 279: len(packed)} if deflated else {}
    return tiff({278: 1} | tags | {number: (SHORT, count, b"\x08\0" * count)}, packed if deflated else bytes(range(64)))
