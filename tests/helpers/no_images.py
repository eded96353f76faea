"""Files that are no images that askpix reads, and images that are something else as well."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
from collections.abc import Iterator

from helpers.bad_image import EMPTY, MAYBE, NO_IMAGE, SHOWN, UNREADABLE, BadImage
from helpers.image_parts import jpeg_with, segment
from helpers.pictures import encoded
from helpers.whole_images import PICTURE, WHOLE_IMAGES

HTML = b"<!doctype html><html><body><script>alert(1)</script><img src=x onerror=alert(2)></body></html>"
SCRIPT = b"#!/bin/sh\nrm -rf /\n"


def _zipped(name: str, data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, data)
    return archive.getvalue()


def no_images() -> Iterator[BadImage]:
    """Yields what is to be refused by what it begins with."""
    jpeg, png = WHOLE_IMAGES["JPEG"].data, WHOLE_IMAGES["PNG"].data
    yield BadImage("empty", b"", EMPTY)
    # It begins as a BMP does, so it can be called a damaged one.
    yield BadImage("BM and text", b"BMW builds cars, of which this text says nothing." * 3, UNREADABLE)
    others = {
        "one byte": b"\xff",
        "one zero": b"\0",
        "two bytes of a JPEG": b"\xff\xd8",
        "a line feed": b"\n",
        "a megabyte of zeros": bytes(1 << 20),
        "a megabyte of ones": b"\xff" * (1 << 20),
        "random bytes": random.Random(1).randbytes(5000),
        "text": b"This is no image.\n" * 20,
        "text of other scripts": "Это не картинка. これは画像ではない。".encode(),
        "UTF-16 text": "no image".encode("utf-16"),
        "text of terminal codes": b"\x1b[2J\x1b]0;owned\x07\r\n\x1b[31m" * 9,
        "text that turns its direction": "\u202egpj.egami\u202c\u2028\u2029".encode(),
        "HTML": HTML,
        "JSON": b'{"error": "not found"}',
        "XML of a billion laughs": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><l>&b;</l>',
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/></svg>',
        "SVG with a declaration": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9e9"/>',
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
        "a PDF of a JPEG": b"%PDF-1.3\n" + jpeg + b"\n%%EOF",
        "PostScript": b"%!PS\n(/etc/passwd) (r) file\n",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        "EPS for DOS": b"\xc5\xd0\xd3\xc6"
        + struct.pack("<7I", 32, 60, 0, 0, 0, 0, 0xFFFF)
        + b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "a shell script": SCRIPT,
        "PHP": b"<?php system($_GET['c']); ?>",
        "a pickle": b"cos\nsystem\n(S'true'\ntR.",
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
        "a program for Windows": b"MZ\x90\0" + bytes(60) + b"PE\0\0",
        "ZIP": _zipped("image.jpg", jpeg),
        "a JPEG packed by gzip": gzip.compress(jpeg, mtime=0),
        "a JPEG in base64": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAUDBA==",
        "a data URI": b"data:image/png;base64,iVBORw0KGgo=",
        "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "MP4": struct.pack(">I", 24) + b"ftypisom" + bytes(12),
        "MP3": b"ID3\x04" + bytes(90),
        "HEIC": struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic",
        "Matroska": b"\x1aE\xdf\xa3" + bytes(60),
        "WAV": b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28),
        "AVI": b"RIFF" + struct.pack("<I", 36) + b"AVI LIST" + bytes(28),
        "SQLite": b"SQLite format 3\0" + bytes(84),
        "Parquet": b"PAR1" + bytes(40) + b"PAR1",
        "PPM": b"P6 8 8 255\n" + bytes(192),
        "PBM of a plain bit": b"P1 1 1\n1\n",
        "XBM": b"#define x_width 8\n#define x_height 1\nstatic char x_bits[] = {0x00};\n",
        "XPM": b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a c #000000",\n"a"};\n',
        "QOI": b"qoif" + struct.pack(">II", 8, 8) + b"\x03\0" + bytes(8),
        "FLI": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 8, 8, 8, 3) + bytes(112),
        "PCX": b"\x0a\x05\x01\x08" + struct.pack("<4H", 0, 0, 7, 7) + bytes(120),
        "DDS": b"DDS " + struct.pack("<6I", 124, 0x1007, 8, 8, 0, 0) + bytes(100),
        "TGA": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 8, 8, 24, 0) + bytes(192),
        "TGA with its footer": struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 8, 8, 24, 0)
        + bytes(200)
        + b"TRUEVISION-XFILE.\0",
        "PSD": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(40),
        "SGI": struct.pack(">HBBHHHH", 474, 0, 1, 3, 8, 8, 3) + bytes(700),
        "Sun raster": struct.pack(">8I", 0x59A66A95, 8, 8, 24, 192, 1, 0, 0) + bytes(192),
        "FITS": b"SIMPLE  =                    T".ljust(2880),
        "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(34),
        "EMF": struct.pack("<II", 1, 108) + bytes(32) + b" EMF" + bytes(64),
        "ICNS": b"icns" + struct.pack(">I", 8 + 8 + len(png)) + b"ic07" + struct.pack(">I", 8 + len(png)) + png,
        "a cursor": b"\0\0\x02\0\x01\0" + bytes(60),
        "JPEG 2000": encoded(PICTURE, "JPEG2000"),
        "JPEG XL": b"\xff\x0a\xfa\x1f\x01\x90",
        "JPEG XR": b"II\xbc\x01\x08\0\0\0",
        "JPEG after a blank": b" " + jpeg,
        "PNG after a byte order mark": b"\xef\xbb\xbf" + png,
        "PNG that was sent as text": png.replace(b"\r\n", b"\n", 1),
        "PNG read as UTF-8": png.decode("utf-8", "replace").encode(),
        "PNG without its first byte": png[1:],
        "GIF of another version": b"GIF90a" + WHOLE_IMAGES["GIF"].data[6:],
        "WebP of another kind": WHOLE_IMAGES["WebP"].data.replace(b"VP8 ", b"VP9 "),
        "nothing but RIFF": b"RIFF",
        "nothing but BM": b"BM",
        "nothing but a PNG's first bytes": png[:8],
        "nothing but a TIFF's first bytes": b"II*\0",
    }
    for name in ("ICO", "PPM", "TGA", "PCX", "DDS", "SGI", "SPIDER", "MSP", "ICNS"):
        picture = PICTURE.convert("1") if name == "MSP" else PICTURE.convert("F") if name == "SPIDER" else PICTURE
        others[f"a whole {name}"] = encoded(picture, name)
    for name, data in others.items():
        yield BadImage(name, data, NO_IMAGE)


def polyglots() -> Iterator[BadImage]:
    """Yields whole images with something else in them or behind them."""
    whole = {name: WHOLE_IMAGES[name].data for name in WHOLE_IMAGES}
    archive, pdf = _zipped("run.sh", SCRIPT), b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"
    gif = whole["GIF"]
    yield BadImage("GIF that is a script", gif[:-1] + b"!\xfe\x0d*/=1;alert(1)//\0;" + b"*/=1;alert(1);", SHOWN)
    yield BadImage("JPEG and ZIP", whole["JPEG"] + archive, SHOWN)
    yield BadImage("PNG and HTML", whole["PNG"] + HTML, SHOWN)
    yield BadImage("BMP and a script", whole["BMP"] + SCRIPT, SHOWN)
    yield BadImage("WebP and HTML", whole["WebP"] + HTML, MAYBE)
    yield BadImage("AVIF and ZIP", whole["AVIF"] + archive, MAYBE)
    yield BadImage("TIFF and a program", whole["TIFF"] + b"\x7fELF" + bytes(60), SHOWN)
    yield BadImage("JPEG and PDF", jpeg_with(whole["JPEG"], segment(0xFE, pdf)) + pdf, SHOWN)
    yield BadImage("JPEG of a script", jpeg_with(whole["JPEG"], segment(0xFE, b"*/=alert(1)/*")), SHOWN)
    yield BadImage("JPEG and PNG", whole["JPEG"] + whole["PNG"], SHOWN)
    yield BadImage("PNG and JPEG", whole["PNG"] + whole["JPEG"], SHOWN)
    yield BadImage("JPEG and ten megabytes of zeros", lambda: whole["JPEG"] + bytes(10_000_000), SHOWN)
    yield BadImage("PNG and ten megabytes of noise", lambda: whole["PNG"] + random.Random(2).randbytes(10**7), SHOWN)
    # In its comment, so that the archive ends with the file.
    yield BadImage("JPEG that ends as a ZIP", jpeg_with(whole["JPEG"], segment(0xFE, archive)), SHOWN)
