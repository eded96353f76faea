"""Images written against the rules of BMP, TIFF, WebP and AVIF; those of the other formats are in `wrong_images`."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from helpers.bad_image import ANYTHING, DAMAGED, MAYBE, SHOWN, TOO_LARGE, UNREADABLE, BadImage, Codes
from helpers.image_parts import LONG, RATIONAL, SHORT, Tag, bmp, box, patched, riff, riff_chunk, tiff, vp8x
from helpers.whole_images import WHOLE_IMAGES


def wrong_bmps() -> Iterator[BadImage]:
    gray = bytes(value for value in range(256) for _ in range(4))
    for what, data, codes in (
        ("rows from the top", bmp(height=-4), SHOWN),
        ("the lowest height", bmp(height=-(2**31)), UNREADABLE | TOO_LARGE),
        ("a negative width", bmp(width=-4), UNREADABLE | TOO_LARGE),
        ("no width", bmp(width=0), UNREADABLE),
        ("no height", bmp(height=0), UNREADABLE),
        ("no bits", bmp(bits=0), UNREADABLE),
        ("3 bits", bmp(bits=3), UNREADABLE),
        ("64 bits", bmp(bits=64), UNREADABLE),
        ("a JPEG in it", bmp(compression=4), UNREADABLE),
        ("a PNG in it", bmp(compression=5), UNREADABLE),
        ("an unknown compression", bmp(compression=99), UNREADABLE),
        ("no planes", bmp(planes=0), MAYBE | UNREADABLE),
        ("65,535 planes", bmp(planes=65_535), MAYBE | UNREADABLE),
        ("a header of an unknown kind", bmp(header=41), UNREADABLE),
        ("a header of no bytes", bmp(header=0), UNREADABLE),
        ("a header of four gigabytes", bmp(header=2**32 - 1), UNREADABLE),
        ("the older header, cut short", bmp(header=12), ANYTHING),
        ("pixels beyond its end", bmp(offset=5000), DAMAGED),
        ("pixels at four gigabytes", bmp(offset=2**32 - 1), DAMAGED),
        ("pixels in its header", bmp(offset=14), MAYBE),
        ("pixels at 0", bmp(offset=0), MAYBE),
        ("too few pixels", bmp(width=400, height=400), DAMAGED),
        ("no palette", bmp(bits=8, after=b""), DAMAGED),
        ("a palette cut short", bmp(bits=8, offset=1078, after=gray[:700]), DAMAGED),
        ("a palette of four gigabytes", bmp(bits=8, colors=2**32 - 1), UNREADABLE),
        ("a palette of 65,536 colours", bmp(bits=8, colors=65_536, offset=1078, after=gray + bytes(16)), MAYBE),
        ("colours beyond its palette", bmp(bits=8, colors=2, offset=62, after=bytes(8) + b"\xff" * 16), MAYBE),
        ("masks of no bits", bmp(bits=16, compression=3, offset=66), UNREADABLE | MAYBE),
        ("masks that overlap", bmp(bits=16, compression=3, offset=66, after=b"\xff" * 64), UNREADABLE | MAYBE),
        ("masks cut short", bmp(bits=32, compression=3, after=b"\xff\0"), UNREADABLE),
        ("runs that end at once", bmp(bits=8, compression=1, offset=1078, after=gray + b"\0\1"), MAYBE),
        ("runs beyond its rows", bmp(bits=8, compression=1, offset=1078, after=gray + b"\xff\7" * 9), MAYBE),
        ("runs that leap", bmp(bits=8, compression=1, offset=1078, after=gray + b"\0\2\xff\xff" * 9), MAYBE),
        ("runs cut in a leap", bmp(bits=8, compression=1, offset=1078, after=gray + b"\0\2\1"), MAYBE),
        ("runs of no pixels", bmp(bits=8, compression=1, offset=1078, after=gray + b"\0\0" * 99), MAYBE),
        ("runs of 24 bits", bmp(compression=1), MAYBE | UNREADABLE),
        (
            "runs of half bytes, cut short",
            bmp(bits=4, compression=2, offset=118, after=gray[:64] + b"\7\x12\0\5"),
            MAYBE,
        ),
    ):
        yield BadImage(f"BMP with {what}", data, codes)


def wrong_tiffs() -> Iterator[BadImage]:
    many = (LONG, 2**32 - 1, b"\x08\0\0\0")
    cases: list[tuple[str, dict[int, Tag], Codes]] = [
        ("no width", {256: 0}, UNREADABLE),
        ("no height", {257: 0}, UNREADABLE),
        ("a width that is missing", {256: None}, UNREADABLE),
        ("a width of two numbers", {256: (LONG, 2, struct.pack("<II", 8, 8))}, MAYBE | UNREADABLE),
        ("a width in words", {256: (2, 2, b"8\0")}, UNREADABLE),
        ("a width of no numbers", {256: (LONG, 0, b"")}, MAYBE | UNREADABLE),
        ("a width that is a fraction", {256: (RATIONAL, 1, struct.pack("<II", 16, 2))}, UNREADABLE),
        ("a width of a type that is none", {256: (99, 1, b"\x08")}, UNREADABLE),
        ("a width of the type 0", {256: (0, 1, b"\x08")}, UNREADABLE),
        ("a width of four billion numbers", {256: many}, UNREADABLE),
        ("no bits", {258: 0}, UNREADABLE),
        ("3 bits", {258: 3}, UNREADABLE),
        ("255 bits", {258: 255}, UNREADABLE),
        ("bits that are missing", {258: None}, MAYBE),
        ("32 bits of each kind", {258: 32, 339: 6}, UNREADABLE),
        ("an unknown compression", {259: 99}, UNREADABLE),
        ("65,535 for a compression", {259: 65_535}, UNREADABLE),
        ("an unknown colour space", {262: 99}, UNREADABLE),
        ("a palette that is missing", {262: 3}, UNREADABLE),
        ("a palette cut short", {262: 3, 320: (SHORT, 3, bytes(6))}, MAYBE | UNREADABLE),
        ("no offsets", {273: None}, UNREADABLE),
        ("offsets of no numbers", {273: (LONG, 0, b"")}, UNREADABLE),
        ("offsets of four billion numbers", {273: many}, UNREADABLE),
        ("an offset beyond its end", {273: 5000}, DAMAGED),
        ("an offset of four gigabytes", {273: 2**32 - 1}, DAMAGED),
        ("an offset in its header", {273: 0}, SHOWN),
        ("more strips than offsets", {278: 1}, MAYBE),
        ("more offsets than strips", {273: (LONG, 4, struct.pack("<4I", 8, 8, 8, 8))}, MAYBE),
        ("strips of no rows", {278: 0}, MAYBE | UNREADABLE),
        ("strips of four billion rows", {278: 2**32 - 1}, SHOWN),
        ("strips of no bytes", {279: 0}, MAYBE),
        ("strips of four gigabytes", {279: 2**32 - 1}, MAYBE),
        ("byte counts that are missing", {279: None}, MAYBE),
        ("no samples", {277: 0}, UNREADABLE),
        ("5 samples", {277: 5}, UNREADABLE),
        ("255 samples", {277: 255}, UNREADABLE),
        ("65,535 samples", {277: 65_535}, UNREADABLE),
        ("four billion samples", {277: 2**32 - 1}, UNREADABLE),
        ("more extra samples than samples", {338: (SHORT, 40, bytes(80))}, UNREADABLE | MAYBE),
        ("each colour in a plane, of one", {262: 2, 277: 3, 284: 2}, MAYBE),
        ("RGB of one sample", {262: 2}, UNREADABLE),
        ("CMYK of a strip too short", {262: 5, 277: 4}, DAMAGED),
        ("an unknown orientation", {274: 99}, SHOWN),
        ("an orientation in words", {274: (2, 4, b"top\0")}, MAYBE),
        ("an unknown fill order", {266: 9}, UNREADABLE),
        ("a resolution of x / 0", {282: (RATIONAL, 1, struct.pack("<II", 1, 0)), 296: 3}, MAYBE),
        ("tiles of no width", {322: 0, 323: 16, 324: 8, 325: 64, 273: None}, UNREADABLE),
        ("tiles of four billion pixels", {322: 65_536, 323: 65_536, 324: 8, 325: 64, 273: None}, MAYBE | TOO_LARGE),
        ("deflated tiles of a side too long", {259: 8, 322: 2**31, 323: 16, 324: 8, 325: 64, 273: None}, DAMAGED),
        ("tiles and strips", {322: 16, 323: 16, 324: 8, 325: 64}, MAYBE),
        ("a profile of noise", {34675: (7, 64, bytes(64))}, SHOWN),
        ("Windows Media Photo", {0xBC01: 1}, UNREADABLE),
    ]
    for name, number in (("LZW", 5), ("JPEG", 7), ("old JPEG", 6), ("deflate", 8), ("PackBits", 32773), ("CCITT", 4)):
        # Noise can happen to be runs.
        cases.append((f"noise for {name}", {259: number}, MAYBE | UNREADABLE))
        cases.append((f"{name} of strips of no bytes", {259: number, 279: 0}, MAYBE | UNREADABLE))
        cases.append((f"{name} in more strips than there are", {259: number, 278: 1}, MAYBE | UNREADABLE))
    for name, number in (("LERC", 34887), ("LZMA", 34925), ("Zstandard", 50000), ("WebP", 50001), ("SGI", 34676)):
        cases.append((f"noise for {name}", {259: number}, UNREADABLE))
    cases.append(("a predictor that is none", {259: 8, 317: 7}, UNREADABLE))
    for what, tags, codes in cases:
        yield BadImage(f"TIFF with {what}", tiff(tags), codes)
    plain = tiff({})
    for what, data, codes in (
        ("a directory at 0", tiff({}, at=0), UNREADABLE),
        ("a directory beyond its end", tiff({}, at=70_000), UNREADABLE),
        ("a directory at four gigabytes", tiff({}, at=2**32 - 1), UNREADABLE),
        ("a directory in its header", tiff({}, at=2), UNREADABLE),
        ("a directory of 65,535 tags", patched(plain, 72, b"\xff\xff"), MAYBE | UNREADABLE),
        ("a directory of no tags", patched(plain, 72, b"\0\0"), UNREADABLE),
        ("a next directory that is itself", tiff({}, following=72), SHOWN),
        ("a next directory that is in its pixels", tiff({}, following=9), MAYBE),
        ("the other byte order", b"MM\0*" + plain[4:], UNREADABLE),
        ("a byte order of its own", b"IM*\0" + plain[4:], UNREADABLE),
        ("big offsets that are none", b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40), UNREADABLE),
        ("2^63 tags", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + plain[72:], UNREADABLE),
    ):
        yield BadImage(f"TIFF with {what}", data, codes)


def wrong_webps() -> Iterator[BadImage]:
    lossy, lossless = WHOLE_IMAGES["WebP"].data, WHOLE_IMAGES["lossless WebP"].data
    alpha = (b"ALPH", b"\0" + bytes(64))
    picture = (b"VP8 ", lossy[20:])
    frame = (b"ANMF", struct.pack("<I", 0)[:3] * 2 + b"\x3f\0\0\x3b\0\0" + bytes(4) + riff_chunk(*picture))
    for what, data, codes in (
        ("a size of 0", patched(lossy, 4, bytes(4)), UNREADABLE),
        ("a size of four gigabytes", patched(lossy, 4, b"\xff\xff\xff\xff"), MAYBE | UNREADABLE),
        ("a picture of no bytes", patched(lossy, 16, bytes(4)), UNREADABLE),
        ("a picture of four gigabytes", patched(lossy, 16, b"\xff\xff\xff\xff"), UNREADABLE),
        ("no width", patched(lossy, 26, bytes(2)), UNREADABLE),
        ("no height", patched(lossy, 28, bytes(2)), UNREADABLE),
        ("no start of its picture", patched(lossy, 23, bytes(3)), UNREADABLE),
        ("a picture that needs another", patched(lossy, 20, bytes((lossy[20] | 1,))), UNREADABLE),
        ("a picture that is not shown", patched(lossy, 20, bytes((lossy[20] & 0xEF,))), MAYBE | UNREADABLE),
        ("a first part longer than it", patched(lossy, 21, b"\xff\xff"), UNREADABLE),
        ("no sign of lossless data", patched(lossless, 20, b"\0"), UNREADABLE),
        ("an unknown version of lossless data", patched(lossless, 24, bytes((lossless[24] | 0xE0,))), UNREADABLE),
        ("no picture", riff(vp8x(64, 60)), UNREADABLE),
        ("alpha alone", riff(vp8x(64, 60, 16), alpha), UNREADABLE),
        ("alpha cut short", riff(vp8x(64, 60, 16), alpha, picture), MAYBE | UNREADABLE),
        ("another size than its picture", riff(vp8x(99, 99), picture), UNREADABLE | MAYBE),
        ("two pictures", riff(vp8x(64, 60), picture, picture), UNREADABLE | MAYBE),
        ("frames that it does not mention", riff(vp8x(64, 60), (b"ANIM", bytes(6)), frame), UNREADABLE | MAYBE),
        ("no frames where it says so", riff(vp8x(64, 60, 2), (b"ANIM", bytes(6))), UNREADABLE),
        ("no frames but a picture", riff(vp8x(64, 60, 2), (b"ANIM", bytes(6)), picture), UNREADABLE | MAYBE),
        ("a frame beyond its edge", riff(vp8x(32, 32, 2), (b"ANIM", bytes(6)), frame), UNREADABLE),
        ("a frame that is cut short", riff(vp8x(64, 60, 2), (b"ANIM", bytes(6)), (b"ANMF", bytes(8))), UNREADABLE),
        ("an empty animation header", riff(vp8x(64, 60, 2), (b"ANIM", b""), frame), UNREADABLE | MAYBE),
        ("an unknown chunk first", riff((b"ABCD", b"x"), picture), UNREADABLE),
        ("a profile of noise", riff(vp8x(64, 60, 32), (b"ICCP", b"noise"), picture), MAYBE),
        ("EXIF of noise", riff(vp8x(64, 60, 8), picture, (b"EXIF", b"noise")), MAYBE),
        ("nothing in it", riff(), UNREADABLE),
    ):
        yield BadImage(f"WebP with {what}", data, codes)


def wrong_avifs() -> Iterator[BadImage]:
    whole = WHOLE_IMAGES["AVIF"].data
    start = whole[: whole.index(b"meta") - 4]
    place = {
        kind: whole.index(kind) for kind in (b"meta", b"pitm", b"iloc", b"iinf", b"ispe", b"av1C", b"ipma", b"mdat")
    }
    extent = place[b"iloc"] + 18
    assert whole[extent : extent + 4] == struct.pack(">I", place[b"mdat"] + 4), "where its data are"
    for what, data, codes in (
        ("nothing but its brand", start, UNREADABLE),
        ("no data", whole[: place[b"mdat"] - 4], UNREADABLE),
        ("zeros for data", whole[: place[b"mdat"] + 4] + bytes(len(whole) - place[b"mdat"] - 4), UNREADABLE),
        ("no width", patched(whole, place[b"ispe"] + 8, bytes(4)), UNREADABLE),
        ("no size", patched(whole, place[b"ispe"] + 8, bytes(8)), UNREADABLE),
        (
            "another size than its data",
            patched(whole, place[b"ispe"] + 8, struct.pack(">II", 8, 8)),
            UNREADABLE | MAYBE,
        ),
        (
            "a larger size than its data",
            patched(whole, place[b"ispe"] + 8, struct.pack(">II", 99, 99)),
            UNREADABLE | MAYBE,
        ),
        ("no first item", whole.replace(b"pitm", b"free"), UNREADABLE),
        ("a first item that is not there", patched(whole, place[b"pitm"] + 8, b"\x77\x77"), UNREADABLE),
        ("no places", whole.replace(b"iloc", b"free"), UNREADABLE),
        ("a place beyond its end", patched(whole, extent, b"\x7f\xff\xff\xff"), UNREADABLE),
        ("a place at four gigabytes", patched(whole, extent, b"\xff\xff\xff\xff"), UNREADABLE),
        ("a length of four gigabytes", patched(whole, extent + 4, b"\xff\xff\xff\xff"), UNREADABLE),
        ("a length of no bytes", patched(whole, extent + 4, bytes(4)), UNREADABLE),
        ("a place in its header", patched(whole, extent, bytes(4)), UNREADABLE),
        ("65,535 items", patched(whole, place[b"iinf"] + 8, b"\xff\xff"), UNREADABLE),
        ("no properties", whole.replace(b"iprp", b"free"), UNREADABLE),
        ("no decoder's settings", whole.replace(b"av1C", b"free"), UNREADABLE),
        ("wrong decoder's settings", patched(whole, place[b"av1C"] + 5, b"\xff\xff"), UNREADABLE | MAYBE),
        ("65,535 properties of its items", patched(whole, place[b"ipma"] + 8, b"\xff" * 4), UNREADABLE),
        ("a box to its end", patched(whole, place[b"meta"] - 4, bytes(4)), UNREADABLE | MAYBE),
        ("a box smaller than its head", patched(whole, place[b"meta"] - 4, b"\0\0\0\3"), UNREADABLE),
        ("a box of four gigabytes", patched(whole, place[b"meta"] - 4, b"\xff\xff\xff\xff"), UNREADABLE),
        ("a box in itself", start + box(b"meta", bytes(4) + box(b"iprp", box(b"iprp", b"")) * 99), UNREADABLE),
        ("boxes without end", start + box(b"free", b"") * 10_000, UNREADABLE),
        ("a thousand brands", box(b"ftyp", b"avif" * 1000) + whole[len(start) :], UNREADABLE | MAYBE),
        ("its brand alone cut", b"\0\0\0\x20ftypavif", UNREADABLE),
    ):
        yield BadImage(f"AVIF with {what}", data, codes)
