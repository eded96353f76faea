"""Images written against the rules of PNG, JPEG and GIF; those of the other formats are in `wrong_files`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from helpers.bad_image import ANYTHING, DAMAGED, MAYBE, SHOWN, TOO_LARGE, UNREADABLE, BadImage
from helpers.image_parts import (
    IEND,
    PNG_SIGNATURE,
    chunk,
    gif,
    gif_frame,
    idat,
    ihdr,
    jpeg_with,
    patched,
    png,
    png_with,
    segment,
)
from helpers.whole_images import WHOLE_IMAGES

_PALETTE = (b"PLTE", bytes(range(24)))
_FRAME_CONTROL = struct.pack(">5IHHBB", 0, 8, 8, 0, 0, 1, 10, 0, 0)


def wrong_pngs() -> Iterator[BadImage]:
    for what, header, codes in (
        ("no width", ihdr(0), UNREADABLE),
        ("no height", ihdr(8, 0), UNREADABLE),
        ("neither width nor height", ihdr(0, 0), UNREADABLE),
        ("a negative width", ihdr(2**31), UNREADABLE | TOO_LARGE),
        ("a negative height", ihdr(8, 2**32 - 1), UNREADABLE | TOO_LARGE),
        ("no bit depth", ihdr(depth=0), UNREADABLE),
        ("3 bits", ihdr(depth=3), UNREADABLE),
        ("32 bits", ihdr(depth=32), UNREADABLE),
        ("a palette of 16 bits", ihdr(depth=16, color=3), UNREADABLE),
        ("RGB of 4 bits", ihdr(depth=4, color=2), UNREADABLE),
        ("the colour type 1", ihdr(color=1), UNREADABLE),
        ("the colour type 5", ihdr(color=5), UNREADABLE),
        ("the colour type 255", ihdr(color=255), UNREADABLE),
        ("an unknown compression", ihdr(rest=b"\1\0\0"), MAYBE | UNREADABLE),
        ("an unknown filter method", ihdr(rest=b"\0\1\0"), UNREADABLE),
        ("an unknown interlacing", ihdr(rest=b"\0\0\2"), MAYBE | UNREADABLE),
        ("a header of 12 bytes", (b"IHDR", ihdr()[1][:12]), UNREADABLE),
        ("a header of no bytes", (b"IHDR", b""), UNREADABLE),
        ("a header of 14 bytes", (b"IHDR", ihdr()[1] + b"\0"), MAYBE | UNREADABLE),
        ("a palette that is missing", ihdr(color=3), MAYBE | UNREADABLE),
        ("more bits than data", ihdr(depth=16), DAMAGED),
        ("more colours than data", ihdr(color=6), DAMAGED),
        ("more rows than data", ihdr(8, 900), MAYBE),
        ("more columns than data", ihdr(900, 8), DAMAGED),
        ("fewer rows than data", ihdr(8, 7), MAYBE),
        ("interlacing that is none", ihdr(rest=b"\0\0\1"), MAYBE),
    ):
        yield BadImage(f"PNG with {what}", png(header, idat(), IEND), codes)
    raw = zlib.compress(b"\0" * 72)
    for what, data, codes in (
        ("no header", png(idat(), IEND), UNREADABLE),
        ("two headers", png(ihdr(), ihdr(16, 16), idat(), IEND), UNREADABLE),
        ("its header last", png(idat(), IEND, ihdr()), UNREADABLE),
        ("no chunks", PNG_SIGNATURE, UNREADABLE),
        ("no data", png(ihdr(), IEND), DAMAGED),
        ("empty data", png(ihdr(), (b"IDAT", b""), IEND), DAMAGED),
        ("data that are not packed", png(ihdr(), (b"IDAT", bytes(72)), IEND), DAMAGED),
        ("data packed with a dictionary", png(ihdr(), (b"IDAT", b"\x78\xf9" + bytes(70)), IEND), DAMAGED),
        ("a wrong checksum of its data's own", png(ihdr(), (b"IDAT", raw[:-1] + b"\0"), IEND), MAYBE),
        ("the filter 9", png(ihdr(), idat(b"\x09" * 72), IEND), DAMAGED),
        ("no end", png(ihdr(), idat()), MAYBE),
        ("two ends", png(ihdr(), idat(), IEND, IEND), SHOWN),
        ("something between its data", png(ihdr(), idat(), (b"tEXt", b"a\0b"), idat(), IEND), MAYBE),
        ("each byte of its data in a chunk", png(ihdr(), *((b"IDAT", raw[n : n + 1]) for n in range(99)), IEND), SHOWN),
        ("an unknown chunk that is needed", png_with((b"ABCD", b"x")), MAYBE | UNREADABLE),
        ("a chunk that is no word", png_with((b"\0\1\2\3", b"x")), MAYBE | UNREADABLE),
        ("a chunk with a word of other letters", png_with((b"\xe9\xe9\xe9\xe9", b"x")), MAYBE | UNREADABLE),
        ("a chunk with a name of the reader's own", png_with((b"load", b"x"), (b"__in", b"x")), MAYBE | UNREADABLE),
        ("a chunk of four gigabytes", png(ihdr()) + b"\xff\xff\xff\xfftEXtabc", UNREADABLE),
        ("a chunk of two gigabytes", png(ihdr()) + b"\x80\0\0\0IDAT" + raw, MAYBE),
        ("its palette last", png(ihdr(color=3), idat(), _PALETTE, IEND), MAYBE),
        ("fewer colours than it uses", png(ihdr(color=3), _PALETTE, idat(), IEND), MAYBE),
        ("a palette of 300 colours", png(ihdr(color=3), (b"PLTE", bytes(900)), idat(), IEND), MAYBE | UNREADABLE),
        ("a palette of 5 bytes", png(ihdr(color=3), (b"PLTE", bytes(5)), idat(), IEND), MAYBE | UNREADABLE),
        ("an empty palette", png(ihdr(color=3), (b"PLTE", b""), idat(), IEND), MAYBE | UNREADABLE),
        ("more alpha than palette", png(ihdr(color=3), _PALETTE, (b"tRNS", bytes(256)), idat(), IEND), MAYBE),
        ("alpha of a byte", png_with((b"tRNS", b"\0")), MAYBE),
        ("alpha of gray beyond its range", png_with((b"tRNS", b"\xff\xff")), SHOWN),
        ("an APNG's header of a byte", png_with((b"acTL", b"\0")), MAYBE),
        ("an APNG's header twice", png_with((b"acTL", bytes(7) + b"\1"), (b"acTL", bytes(7) + b"\1")), MAYBE),
        ("no frames", png_with((b"acTL", bytes(8))), MAYBE),
        ("more frames than there are", png_with((b"acTL", struct.pack(">II", 9, 0)), (b"fcTL", _FRAME_CONTROL)), MAYBE),
        (
            "a frame beyond its edge",
            png_with((b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", patched(_FRAME_CONTROL, 12, b"\0\0\0\7"))),
            MAYBE | UNREADABLE,
        ),
        (
            "a frame of no width",
            png_with((b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", patched(_FRAME_CONTROL, 4, bytes(4)))),
            MAYBE | UNREADABLE,
        ),
        ("frames in the wrong order", png_with((b"fcTL", patched(_FRAME_CONTROL, 0, b"\0\0\0\5"))), MAYBE | UNREADABLE),
    ):
        yield BadImage(f"PNG with {what}", data, codes)
    for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"eXIf", b"iCCP", b"tEXt", b"zTXt", b"iTXt"):
        yield BadImage(f"PNG with an empty {kind.decode()}", png_with((kind, b"")), MAYBE | UNREADABLE)
        noise = bytes((137 * number) % 256 for number in range(90))
        yield BadImage(f"PNG with noise for {kind.decode()}", png_with((kind, noise)), MAYBE | UNREADABLE)
    for part, codes in ((ihdr(), UNREADABLE), (idat(), MAYBE), (IEND, MAYBE), ((b"tEXt", b"a\0b"), MAYBE | UNREADABLE)):
        name, whole = part[0].decode(), png_with((b"tEXt", b"a\0b"))
        wrong = whole.replace(chunk(*part), chunk(*part)[:-4] + b"\0\0\0\0")
        yield BadImage(f"PNG with a wrong checksum of {name}", wrong, codes)


def wrong_jpegs() -> Iterator[BadImage]:
    whole = WHOLE_IMAGES["JPEG"]
    data = whole.data
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    quantization, huffman = data.index(b"\xff\xdb"), data.index(b"\xff\xc4")
    for what, wrong, codes in (
        ("nothing but its start", b"\xff\xd8\xff", UNREADABLE),
        ("nothing but its start and end", b"\xff\xd8\xff\xd9", UNREADABLE),
        ("nothing but a filler", b"\xff\xd8" + b"\xff" * 5000, UNREADABLE),
        ("no frame", data[:frame] + data[frame + 19 :], UNREADABLE),
        ("no scan", data[:scan] + b"\xff\xd9", UNREADABLE),
        ("no data in its scan", data[: scan + 14] + b"\xff\xd9", MAYBE),
        ("no quantization", data[:quantization] + data[frame:], UNREADABLE),
        ("no Huffman tables", data[:huffman] + data[scan:], MAYBE),
        ("no tables at all", data[:quantization] + data[frame : frame + 19] + data[scan:], UNREADABLE),
        ("two frames", jpeg_with(data, data[frame : frame + 19]), ANYTHING),
        ("no width", patched(data, frame + 7, bytes(2)), UNREADABLE),
        ("no height", patched(data, frame + 5, bytes(2)), UNREADABLE),
        ("a width of 65,535", patched(data, frame + 7, b"\xff\xff"), MAYBE),
        ("12 bits", patched(data, frame + 4, b"\x0c"), UNREADABLE),
        ("no bits", patched(data, frame + 4, b"\0"), UNREADABLE),
        ("no components", patched(data, frame + 9, b"\0"), UNREADABLE),
        ("2 components", patched(data, frame + 9, b"\2"), UNREADABLE),
        ("4 of its 3 components", patched(data, frame + 9, b"\4"), UNREADABLE),
        ("255 components", patched(data, frame + 9, b"\xff"), UNREADABLE),
        ("no sampling", patched(data, frame + 11, b"\0"), UNREADABLE),
        ("a sampling of 5", patched(data, frame + 11, b"\x55"), UNREADABLE),
        ("samplings that divide into none", patched(patched(data, frame + 11, b"\x33"), frame + 14, b"\x22"), MAYBE),
        ("a table that is not there", patched(data, frame + 12, b"\3"), UNREADABLE),
        ("a table beyond the last", patched(data, frame + 12, b"\xff"), UNREADABLE),
        ("components of one name", patched(data, frame + 13, data[frame + 10 : frame + 11]), MAYBE),
        ("a scan of a component that is not there", patched(data, scan + 5, b"\x77"), DAMAGED),
        ("a scan of no components", patched(data, scan + 4, b"\0"), DAMAGED),
        ("a scan of 9 components", patched(data, scan + 4, b"\x09"), DAMAGED),
        ("a scan of half its frequencies", patched(data, scan + 12, b"\x20"), MAYBE),
        ("a scan that ends before it begins", patched(data, scan + 11, b"\x3f\0"), MAYBE),
        ("Huffman tables of too many codes", patched(data, huffman + 5, b"\xff" * 16), UNREADABLE),
        ("Huffman tables of impossible codes", patched(data, huffman + 5, b"\7" + bytes(15)), UNREADABLE | MAYBE),
        ("Huffman tables of no codes", patched(data, huffman + 5, bytes(16)), UNREADABLE | MAYBE),
        ("a Huffman table beyond the last", patched(data, huffman + 4, b"\x0f"), DAMAGED),
        ("a progressive frame around a sequential scan", patched(data, frame + 1, b"\xc2"), MAYBE),
        ("a frame of arithmetic codes", patched(data, frame + 1, b"\xc9"), MAYBE),
        ("a frame of lossless codes", patched(data, frame + 1, b"\xc3"), MAYBE),
        ("a hierarchical frame", patched(data, frame + 1, b"\xc5"), DAMAGED),
        ("a restart at each block, and none there", jpeg_with(data, segment(0xDD, b"\0\1")), MAYBE),
        ("a restart length of 4 bytes", jpeg_with(data, segment(0xDD, bytes(4))), MAYBE),
        ("a segment of length 0", jpeg_with(data, b"\xff\xfe\0\0"), MAYBE | UNREADABLE),
        ("a segment of length 1", jpeg_with(data, b"\xff\xfe\0\1"), MAYBE | UNREADABLE),
        ("a segment beyond its end", jpeg_with(data, b"\xff\xfe\xff\xff"), UNREADABLE),
        ("an unknown marker", jpeg_with(data, b"\xff\x01"), MAYBE | UNREADABLE),
        ("noise before its first segment", jpeg_with(data, bytes(range(200))), MAYBE | UNREADABLE),
        ("a thumbnail that is not there", jpeg_with(data, segment(0xE0, b"JFXX\0\x10")), MAYBE),
        ("an Adobe segment of another colour", jpeg_with(data, segment(0xEE, b"Adobe\0d\0\0\0\0\2")), MAYBE),
        ("an Adobe segment cut short", jpeg_with(data, segment(0xEE, b"Adobe")), MAYBE | UNREADABLE),
        ("Photoshop's blocks that overlap", jpeg_with(data, _photoshop()), MAYBE),
        ("another picture's list that is broken", jpeg_with(data, segment(0xE2, b"MPF\0II*\0\xff\xff")), MAYBE),
    ):
        yield BadImage(f"JPEG with {what}", wrong, codes)
    restarts = WHOLE_IMAGES["JPEG with restarts"].data
    swapped = restarts.replace(b"\xff\xd0", b"\xff\xd5")
    yield BadImage("JPEG with restarts out of order", swapped, MAYBE)
    mpo = WHOLE_IMAGES["MPO"].data
    # Where its list is: the number of pictures, and where the second one is.
    listed = mpo.index(b"MPF\0") + 4
    for what, old, new in (("no", 2, 0), ("a million", 2, 1_000_000)):
        wrong = mpo[:listed] + mpo[listed : listed + 80].replace(struct.pack("<I", old), struct.pack("<I", new), 1)
        yield BadImage(f"MPO of {what} pictures", wrong + mpo[listed + 80 :], MAYBE | UNREADABLE)
    yield BadImage("MPO with a list of noise", patched(mpo, listed + 8, b"\xff" * 40), MAYBE | UNREADABLE)


def _photoshop() -> bytes:
    block = b"8BIM\x03\xed\0\0" + struct.pack(">I", 0xFFFFFFFF)
    return segment(0xED, b"Photoshop 3.0\0" + block * 3)


def wrong_gifs() -> Iterator[BadImage]:
    frame = gif_frame()
    for what, data, codes in (
        ("no width", gif(frame, width=0), MAYBE | UNREADABLE),
        ("no size", gif(frame, width=0, height=0), MAYBE | UNREADABLE),
        ("no size, of no frame either", gif(gif_frame(width=0, height=0), width=0, height=0), UNREADABLE),
        ("a frame of no width", gif(gif_frame(width=0)), MAYBE),
        ("a frame beyond its edge", gif(gif_frame(left=1, top=1)), MAYBE),
        ("a frame far outside", gif(gif_frame(left=60_000)), MAYBE),
        ("a frame at the end of the world", gif(gif_frame(left=65_535, top=65_535)), TOO_LARGE),
        ("no palette", gif(frame, flags=0, palette=b""), SHOWN),
        ("a palette cut short", gif(flags=0x87, palette=bytes(30)), UNREADABLE),
        ("no frame", gif(), UNREADABLE),
        ("no trailer", gif(frame)[:-1], MAYBE),
        ("codes of 0 bits", gif(gif_frame(data=b"\0\3\x84\x51\0\0")), MAYBE),
        ("codes of 1 bit", gif(gif_frame(data=b"\1\3\x84\x51\0\0")), MAYBE),
        ("codes of 13 bits", gif(gif_frame(data=b"\x0d\3\x84\x51\0\0")), DAMAGED),
        ("codes of 255 bits", gif(gif_frame(data=b"\xff\3\x84\x51\0\0")), DAMAGED),
        ("no codes", gif(gif_frame(data=b"\2\0")), DAMAGED),
        ("codes that are not there yet", gif(gif_frame(data=b"\2\3\xff\xff\xff\0")), DAMAGED),
        ("a block of codes beyond its end", gif(gif_frame(data=b"\2\xff\x84\x51")), MAYBE),
        ("more codes than pixels", gif(gif_frame(data=b"\2\x09" + b"\x84\x51\0" * 3 + b"\0")), MAYBE),
        ("colours beyond its palette", gif(gif_frame(data=b"\2\3\xdc\x5d\0\0")), MAYBE),
        ("a transparent colour beyond its palette", gif(b"!\xf9\4\1\0\0\xff\0", frame), SHOWN),
        ("an extension without an end", gif(b"!\xf9\4\1\0\0\0", frame), MAYBE | UNREADABLE),
        ("an extension of a byte", gif(b"!\xf9\1\1\0", frame), MAYBE | UNREADABLE),
        ("an extension beyond its end", gif(b"!\xfe\xff"), UNREADABLE),
        ("an unknown extension", gif(b"!\x42\2ab\0", frame), SHOWN),
        ("an unknown block", gif(b"\x42\x43", frame), MAYBE | UNREADABLE),
        ("interlacing of two rows", gif(gif_frame(flags=0x40)), SHOWN),
        ("a background beyond its palette", patched(gif(frame), 11, b"\xff"), SHOWN),
        ("the older version's name", patched(gif(b"!\xf9\4\1\0\0\0\0", frame), 3, b"87a"), SHOWN),
        ("frames that are put back", gif(b"!\xf9\4\x0c\0\0\0\0", frame, b"!\xf9\4\x0c\0\0\0\0", frame), SHOWN),
    ):
        yield BadImage(f"GIF with {what}", data, codes)
