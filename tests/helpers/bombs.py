"""Small files that claim, or unpack to, very many pixels, and images that take very much work for what they show."""

from __future__ import annotations

import struct
import zlib
from base64 import b85decode
from collections.abc import Callable, Iterator
from functools import cache, partial

from helpers.bad_image import MAYBE, SHOWN, TOO_LARGE, UNREADABLE, WHOLE_OR_TOO_LARGE, BadImage
from helpers.image_parts import (
    IEND,
    LONG,
    SHORT,
    Tag,
    bmp,
    deflated_zeros,
    gif,
    gif_frame,
    idat,
    ihdr,
    patched,
    png,
    riff,
    riff_chunk,
    tiff,
    vp8x,
)
from helpers.pictures import encoded
from helpers.whole_images import WHOLE_IMAGES
from PIL import Image

SIDE = 8000
"""Of the largest square that may be decoded: 64 million pixels."""

MOST_BYTES = 19_000_000
"""A little less than a file may have."""


_LARGE_AVIF = (
    b"c-muNU{FXasVqn=%S>Yc0uY^>nP!-"
    b"qnV9D5Xy^nKdYzkElE?r7iWw<6MNl?FL1uCZ0~+8f$SlbPvlxL`E;A=T8N_h`@fjhajKT~IJad6;jm*rvG`LzRASaax%1bOWFm%q($p_n&m0"
    b"3_!0HnP$3zGAJv`A)gK`O*L2PkF`D9EhH1TmO7I5>b5Phy#&bE7;DNJuz2Kc^@!Ii~_>GA{#L15ijjvmh7dC!oVv7@3+`fSQ)(rX-dKF>rCq"
    b"f3N@l|L-CuDP9hvZb=E@zYia}mjD0%WAg_FhJ^E{G>=cYXZ*+EP<)OBqh!WL{R>Q0|2V|_4b`eN&xx5&Q7+6?-}`l*|JR}$veGjg?=8-"
    b"5l3V_I>jZ5_u9A<<IT2lPXZv5yneE85Zqv36(NYdFv(~bd6z|FVX3fTX<%Q6Lr1Pg-"
    b"q8%D$UJI@%o;YdF<U3a;K9*FL_RWrQj&Yimu(|)Q$707Ap>U_8&YXX1W*XP)n$K|Kdz{a!{y8Da{5WGwh~<L4+^3UYt@ppH_WR??XNO$gn0D"
    b"SNwu;FU<GPkqJIN^iz^EOgc8uCFYR9M@qjrqiF>1%C9iw)P+CiBebg%*d*5@F2"
)
"""An AVIF of 16,384x16,384, all of one colour, which takes half a minute to write: packed, in base 85."""


# By their headers. ----------------------------------------------------------------------------------


def large_headers() -> Iterator[BadImage]:
    """Yields small files that claim more pixels than an image may have."""
    jpeg = WHOLE_IMAGES["JPEG"].data
    frame = jpeg.index(b"\xff\xc0")
    progressive = WHOLE_IMAGES["progressive JPEG"].data
    for width, height in ((SIDE + 1, SIDE), (13_000, 13_000), (65_535, 65_535)):
        size = f"{width}x{height}"
        of_jpeg = struct.pack(">HH", height, width)
        of_vp8 = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
        of_vp8l = struct.pack("<I", (width - 1) & 0x3FFF | ((height - 1) & 0x3FFF) << 14)
        lossy, lossless = WHOLE_IMAGES["WebP"].data, WHOLE_IMAGES["lossless WebP"].data
        avif = WHOLE_IMAGES["AVIF"].data
        yield BadImage(f"JPEG that claims {size}", patched(jpeg, frame + 5, of_jpeg), TOO_LARGE)
        at = progressive.index(b"\xff\xc2") + 5
        yield BadImage(f"progressive JPEG that claims {size}", patched(progressive, at, of_jpeg), TOO_LARGE)
        yield BadImage(f"PNG that claims {size}", png(ihdr(width, height), idat(), IEND), TOO_LARGE)
        yield BadImage(f"GIF that claims {size}", gif(gif_frame(), width=width, height=height), TOO_LARGE)
        yield BadImage(f"GIF of a frame that claims {size}", gif(gif_frame(width=width, height=height)), TOO_LARGE)
        yield BadImage(f"BMP that claims {size}", bmp(width, height), TOO_LARGE)
        yield BadImage(f"BMP from the top that claims {size}", bmp(width, -height), TOO_LARGE)
        yield BadImage(f"TIFF that claims {size}", tiff({256: width, 257: height}), TOO_LARGE)
        yield BadImage(f"deflated TIFF that claims {size}", tiff({256: width, 257: height, 259: 8}), TOO_LARGE)
        # Their pixels say otherwise, which can be found out first.
        picture = riff(vp8x(width, height), (b"VP8 ", lossy[20:]))
        yield BadImage(f"WebP that claims {size}", picture, TOO_LARGE | UNREADABLE)
        frame_of_it = (b"ANMF", bytes(16) + riff_chunk(b"VP8 ", lossy[20:]))
        still = riff(vp8x(width, height, 2), (b"ANIM", bytes(6)), frame_of_it)
        yield BadImage(f"animated WebP that claims {size}", still, TOO_LARGE | UNREADABLE)
        yield BadImage(f"WebP of a picture that claims {size}", patched(lossy, 26, of_vp8), TOO_LARGE | UNREADABLE)
        wide = patched(lossless, 21, of_vp8l)
        yield BadImage(f"lossless WebP of a picture that claims {size}", wide, TOO_LARGE | UNREADABLE)
        wide = patched(avif, avif.index(b"ispe") + 8, struct.pack(">II", width, height))
        yield BadImage(f"AVIF that claims {size}", wide, TOO_LARGE | UNREADABLE)
    most = 2**31 - 1
    yield BadImage("PNG that claims as much as it can", png(ihdr(most, most), idat(), IEND), TOO_LARGE)
    yield BadImage("BMP that claims as much as it can", bmp(most, most), TOO_LARGE)
    yield BadImage("TIFF that claims as much as it can", tiff({256: 2**32 - 1, 257: 2**32 - 1}), TOO_LARGE)
    yield BadImage("TIFF that claims a row of four billion", tiff({256: 2**32 - 1, 257: 1}), TOO_LARGE)
    yield BadImage("WebP that claims as much as it can", riff(vp8x(1 << 24, 1 << 24)), TOO_LARGE | UNREADABLE)
    yield BadImage("PNG of 50 MB and 100 gigapixels", hundred_gigapixels, TOO_LARGE)


def hundred_gigapixels() -> bytes:
    """Returns a PNG whose data are what its header says: 50 GB of 4 bits for each of its pixels."""
    side = 316_228
    return png(ihdr(side, side, depth=4), (b"IDAT", deflated_zeros((side // 2 + 1) * side)), IEND)


# By their pixels. -----------------------------------------------------------------------------------


def _png(depth: int, color: int, bits: int, width: int = SIDE, height: int = SIDE, interlaced: int = 0) -> bytes:
    packed = deflated_zeros((width * bits // 8 + 1) * height)
    return png(ihdr(width, height, depth, color, bytes((0, 0, interlaced))), (b"IDAT", packed), IEND)


def _tiff(tags: dict[int, Tag], bytes_per_pixel: int, width: int = SIDE, height: int = SIDE) -> bytes:
    packed = deflated_zeros(width * height * bytes_per_pixel)
    return tiff({256: width, 257: height, 278: height, 259: 8, 279: len(packed)} | tags, packed)


@cache
def _written(form: str, mode: str, **options: object) -> bytes:
    return encoded(Image.new(mode, (SIDE, SIDE), 90), form, **options)


def _baseline_jpeg() -> bytes:
    """Returns a gray JPEG of 64 million black pixels: to each block, two codes of a bit."""
    tables = b"".join(
        (
            b"\xff\xdb\0\x43\0" + b"\1" * 64,
            b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", SIDE, SIDE) + b"\1\1\x11\0",
            b"\xff\xc4\0\x14\0\1" + bytes(15) + b"\0",
            b"\xff\xc4\0\x14\x10\1" + bytes(15) + b"\0",
            b"\xff\xda\0\x08\1\1\0\0\x3f\0",
        )
    )
    return b"\xff\xd8" + tables + bytes((SIDE // 8) ** 2 // 4) + b"\xff\xd9"


def largest_images() -> Iterator[BadImage]:
    """Yields small files of as many pixels as an image may have, in modes that take much memory."""
    rgb: dict[int, Tag] = {258: (SHORT, 3, struct.pack("<3H", 8, 8, 8)), 262: 2, 277: 3}
    cmyk: dict[int, Tag] = {258: (SHORT, 4, struct.pack("<4H", 8, 8, 8, 8)), 262: 5, 277: 4}
    sources: dict[str, Callable[[], bytes]] = {
        "gray PNG": partial(_png, 8, 0, 8),
        "RGB PNG": partial(_png, 8, 2, 24),
        "transparent PNG": partial(_png, 8, 6, 32),
        "transparent PNG of 16 bits": partial(_png, 16, 6, 64),
        "gray PNG of 16 bits": partial(_png, 16, 0, 16),
        "PNG of a bit": partial(_png, 1, 0, 1),
        "interlaced PNG": partial(_png, 8, 2, 25, interlaced=1),
        "PNG of a row": partial(_png, 8, 0, 8, SIDE * SIDE, 1),
        "transparent PNG of a row": partial(_png, 16, 6, 64, SIDE * SIDE, 1),
        "PNG of a column": partial(_png, 8, 0, 8, 1, SIDE * SIDE),
        "transparent PNG of a column": partial(_png, 16, 6, 64, 1, SIDE * SIDE),
        "TIFF of a row": partial(_tiff, {}, 1, SIDE * SIDE, 1),
        "TIFF of a column": partial(_tiff, {}, 1, 1, SIDE * SIDE),
        "BMP of a column": partial(_bmp_of_runs, b"\0\2\0\xff" * (SIDE * SIDE // 255 + 1), 8, 1, 1, SIDE * SIDE),
        "deflated TIFF": partial(_tiff, {}, 1),
        "RGB TIFF": partial(_tiff, rgb, 3),
        "CMYK TIFF": partial(_tiff, cmyk, 4),
        "TIFF of floats": partial(_tiff, {258: 32, 339: 3}, 4),
        "TIFF that lies on its side": partial(_tiff, rgb | {274: 6}, 3),
        "JPEG": _baseline_jpeg,
        "progressive JPEG": partial(_written, "JPEG", "L", progressive=True),
        "progressive RGB JPEG": partial(_written, "JPEG", "RGB", progressive=True, subsampling=0),
        "progressive CMYK JPEG": partial(_written, "JPEG", "CMYK", progressive=True),
        "GIF": partial(_written, "GIF", "L"),
        "transparent GIF of a pixel": partial(
            gif, b"!\xf9\4\1\0\0\0\0", gif_frame(width=1, height=1, data=b"\2\2\x44\1\0"), width=SIDE, height=SIDE
        ),
        "lossless WebP": partial(_written, "WEBP", "RGB", lossless=True, method=0, quality=0),
        "AVIF": partial(_written, "AVIF", "RGB", speed=10, quality=1),
    }
    for name, source in sources.items():
        yield BadImage(f"{name} of 64 million pixels", source, WHOLE_OR_TOO_LARGE)


def hidden_pixels() -> Iterator[BadImage]:
    """Yields images that unpack to far more than they show."""

    def png_of(data: bytes) -> bytes:
        return png(ihdr(), (b"IDAT", data), IEND)

    def tile(side: int) -> bytes:
        packed = deflated_zeros(side * side)
        return tiff({259: 8, 273: None, 279: None, 322: side, 323: side, 324: 8, 325: len(packed)}, packed)

    def strip() -> bytes:
        packed = deflated_zeros(18_000_000_000)
        return tiff({259: 8, 279: len(packed)}, packed)

    def small_avif() -> bytes:
        data = zlib.decompress(b85decode(_LARGE_AVIF))
        return patched(data, data.index(b"ispe") + 8, struct.pack(">II", 64, 60))

    yield BadImage("PNG whose data go on for 18 GB", lambda: png_of(deflated_zeros(18_000_000_000)), MAYBE)
    yield BadImage("TIFF whose strip goes on for 18 GB", strip, MAYBE)
    yield BadImage("TIFF of one tile of 25,600x25,600", partial(tile, 25_600), MAYBE | TOO_LARGE)
    yield BadImage("TIFF of one tile of 65,536x65,536", partial(tile, 65_536), MAYBE | TOO_LARGE)
    yield BadImage("AVIF of 268 million pixels that claims 64x60", small_avif, MAYBE | TOO_LARGE | UNREADABLE)


# By the work that they take. ------------------------------------------------------------------------


def _jpeg_of_scans(count: int) -> bytes:
    """Returns a large progressive JPEG in which one scan comes again and again."""
    data = _written("JPEG", "L", progressive=True)
    places = [at for at in range(len(data)) if data[at] == 0xFF and data[at + 1 : at + 2] in (b"\xc4", b"\xda")]
    # The third scan, with its table: one of the upper frequencies, of which there are none.
    starts = [at for at in places if data[at + 1] == 0xC4]
    begin = starts[2]
    end = min(at for at in places if at > min(there for there in places if there > begin and data[there + 1] == 0xDA))
    return data[:end] + data[begin:end] * (count - 6) + data[end:]


def _jpeg_of_sequential_scans(count: int) -> bytes:
    """Returns a large baseline JPEG of three components, in which each scan is one of the first, and empty."""
    frame = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", SIDE, SIDE) + b"\3\1\x11\0\2\x11\0\3\x11\0"
    head = _baseline_jpeg()
    start, scan = head.index(b"\xff\xc0"), head.index(b"\xff\xda")
    tables = head[:start] + frame + head[start + 13 : scan]
    return tables + b"\xff\xda\0\x08\1\1\0\0\x3f\0\0" * count + b"\xff\xd9"


def _bmp_of_runs(runs: bytes, bits: int, compression: int, width: int = SIDE, height: int = SIDE) -> bytes:
    palette = bytes(value for value in range(1 << bits) for _ in range(4))
    return bmp(width, height, bits, compression, offset=54 + len(palette), after=palette + runs)


def _tiff_of_scans() -> bytes:
    jpeg = _jpeg_of_scans(3000)
    return tiff({256: SIDE, 257: SIDE, 278: SIDE, 259: 7, 279: len(jpeg)}, jpeg)


def _tiff_of_wide_tiles(count: int) -> bytes:
    """Returns a TIFF of 16 columns, in tiles of 16 rows of a million each, all of them the same in the file."""
    wide = 1 << 20
    packed = deflated_zeros(16 * wide)
    places, sizes = struct.pack("<I", 8) * count, struct.pack("<I", len(packed)) * count
    tags: dict[int, Tag] = {256: 16, 257: 16 * count, 259: 8, 322: wide, 323: 16}
    return tiff(tags | {273: None, 279: None, 278: None, 324: (LONG, count, places), 325: (LONG, count, sizes)}, packed)


def laborious_images() -> Iterator[BadImage]:
    """Yields images that keep a simple decoder busy for minutes, or for ever."""
    scans = (MOST_BYTES - 300_000) // 120
    yield BadImage("JPEG of 490 scans over 64 million pixels", partial(_jpeg_of_scans, 490), MAYBE | TOO_LARGE)
    yield BadImage("JPEG of 3,000 scans over 64 million pixels", partial(_jpeg_of_scans, 3000), MAYBE | TOO_LARGE)
    yield BadImage("JPEG of as many scans as there is room for", partial(_jpeg_of_scans, scans), MAYBE | TOO_LARGE)
    sequential = partial(_jpeg_of_sequential_scans, MOST_BYTES // 11)
    yield BadImage("JPEG of as many sequential scans as there is room for", sequential, MAYBE | TOO_LARGE)
    yield BadImage("BMP of rows that end at once", lambda: _bmp_of_runs(b"\1\0\0\0" * SIDE, 8, 1), MAYBE | TOO_LARGE)
    yield BadImage("TIFF of a JPEG of 3,000 scans", _tiff_of_scans, MAYBE | TOO_LARGE)
    yield BadImage("TIFF of tiles far wider than it", partial(_tiff_of_wide_tiles, 2400), MAYBE | TOO_LARGE)
    yield BadImage("JPEG of filler", lambda: b"\xff\xd8" + b"\xff" * 5_000_000, UNREADABLE)
    yield BadImage("JPEG of noise before its frame", lambda: b"\xff\xd8\xff\0" + b"\1" * MOST_BYTES, UNREADABLE)


# By their frames. -----------------------------------------------------------------------------------


def many_frames() -> Iterator[BadImage]:
    """Yields animations and files of many pages of which one is asked for."""
    first = gif_frame()
    tiny = gif_frame(width=1, height=1, data=b"\2\2\x44\1\0")
    million = struct.pack(">II", 1_000_000, 0)
    control = struct.pack(">5IHHBB", 0, 8, 8, 0, 0, 1, 10, 0, 0)
    yield BadImage("GIF of a million frames", lambda: gif(first, tiny * 1_000_000), SHOWN)
    apng = png(ihdr(), (b"acTL", million), (b"fcTL", control), idat(), IEND)
    yield BadImage("APNG that claims a million frames", apng, MAYBE)
    yield BadImage("APNG of 200,000 frames", partial(_apng, 200_000), MAYBE)
    most = patched(apng, apng.index(b"acTL"), b"acTL\x7f\xff\xff\xff\0\0\0\0")
    checked = most[:37] + most[37:49] + struct.pack(">I", zlib.crc32(most[37:49])) + most[53:]
    yield BadImage("APNG that claims two billion frames", checked, MAYBE)
    yield BadImage("WebP of 100,000 frames", partial(_webp, 100_000), MAYBE)
    yield BadImage("TIFF of 100,000 pages", partial(_pages, 100_000), SHOWN)
    # One directory after another, and the last one's next is the first.
    looped = tiff({}, following=8 + 64 + 126)
    yield BadImage("TIFF of pages in a circle", looped + looped[72:-4] + struct.pack("<I", 72), SHOWN)


def _apng(count: int) -> bytes:
    frames: list[tuple[bytes, bytes]] = []
    for number in range(1, count):
        control = struct.pack(">5IHHBB", 2 * number - 1, 1, 1, 0, 0, 1, 10, 0, 0)
        frames += (b"fcTL", control), (b"fdAT", struct.pack(">I", 2 * number) + b"\x78\x9c\x63\0\0\0\2\0\1")
    first = struct.pack(">5IHHBB", 0, 8, 8, 0, 0, 1, 10, 0, 0)
    return png(ihdr(), (b"acTL", struct.pack(">II", count, 0)), (b"fcTL", first), idat(), *frames, IEND)


def _webp(count: int) -> bytes:
    dot = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)
    frame = riff_chunk(b"ANMF", bytes(16) + dot[12:])
    data = riff(vp8x(1, 1, 2), (b"ANIM", bytes(6))) + frame * count
    return patched(data, 4, struct.pack("<I", len(data) - 8))


def _pages(count: int) -> bytes:
    page = tiff({})[72:-4]
    return tiff({}, following=198) + b"".join(
        page + struct.pack("<I", 198 + (number + 1) * len(page + b"next")) for number in range(count)
    )
