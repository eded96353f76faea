"""Image bytes to pixels: the unusual but valid, against pixels worked out by hand, and the bad."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from askpix.worker.image_form import ImageForm, Resample
from askpix.worker.images.decode import MAX_PIXELS, decode
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.item_errors import ImageError

Pixels = npt.NDArray[np.uint8]

AS_IT_IS = ImageForm(width=None, height=None)
RED, BLUE, GREEN, GRAY = (220, 30, 40), (20, 40, 230), (10, 200, 60), (90, 90, 90)


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Decodes as a worker does; neither Python's warnings nor a C library's messages may come out."""
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        quiet_decoders()
        yield
    assert [str(warning.message) for warning in leaked] == []
    assert capfd.readouterr() == ("", "")


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def _png(width: int, height: int, depth: int, color: int, rows: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """Returns a PNG written by hand: `rows` are raw bytes of all rows, `chunks` come before them."""
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[row * stride : (row + 1) * stride] for row in range(height)) if rows else b""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _halves(left: tuple[int, ...], right: tuple[int, ...], side: int = 32) -> Pixels:
    pixels = np.empty((side, side, len(left)), np.uint8)
    pixels[:, : side // 2], pixels[:, side // 2 :] = left, right
    return pixels


def _line(*pixels: tuple[int, int, int]) -> Pixels:
    return np.array([pixels], np.uint8)


# A row of values, their bytes in a file, and what a person sees.
RGB = Image.fromarray(_halves(RED, BLUE))
VALID = {
    "CMYK JPEG": (
        # of 255 parts: no cyan, 200 magenta, 100 yellow, 50 black
        _encoded(Image.fromarray(_halves((0, 200, 100, 50), (255, 0, 0, 0)), "CMYK"), "JPEG", quality=100),
        _halves((205, 55 * 205 // 255, 155 * 205 // 255), (0, 255, 255)),
        3,
    ),
    "16-bit gray PNG": (
        _png(4, 1, 16, 0, struct.pack(">4H", 0, 0x0180, 0x7FFF, 0xFFFF)),
        _line((0,) * 3, (1,) * 3, (127,) * 3, (255,) * 3),
        1,
    ),
    "16-bit RGB PNG": (
        _png(2, 1, 16, 2, struct.pack(">6H", 0xFF00, 0x8000, 0, 0x1234, 0, 0xFFFF)),
        _line((255, 128, 0), (18, 0, 255)),
        1,
    ),
    "16-bit gray and alpha PNG": (
        _png(2, 1, 16, 4, struct.pack(">4H", 0x4000, 0xFFFF, 0x4000, 0)),
        _line((64,) * 3, (255,) * 3),
        1,
    ),
    "8-bit gray and alpha PNG": (
        _png(3, 1, 8, 4, bytes((100, 255, 100, 0, 0, 128))),
        _line((100,) * 3, (255,) * 3, (127,) * 3),
        1,
    ),
    "RGB and alpha PNG": (
        _png(3, 1, 8, 6, bytes((*RED, 255, *RED, 0, 0, 100, 200, 51))),
        _line(RED, (255,) * 3, (204, 224, 244)),
        1,
    ),
    "palette PNG with transparency": (
        _png(3, 1, 8, 3, bytes((0, 1, 2)), (b"PLTE", bytes((*RED, *BLUE, *GREEN))), (b"tRNS", bytes((255, 0, 128)))),
        _line(RED, (255,) * 3, (132, 227, 157)),
        1,
    ),
    "palette PNG of 2 bits": (
        _png(4, 1, 2, 3, bytes((0b00011011,)), (b"PLTE", bytes((*RED, *BLUE, *GREEN, *GRAY)))),
        _line(RED, BLUE, GREEN, GRAY),
        0,
    ),
    "gray PNG with a transparent value": (
        _png(2, 1, 8, 0, bytes((7, 8)), (b"tRNS", struct.pack(">H", 7))),
        _line((255,) * 3, (8,) * 3),
        0,
    ),
    "16-bit gray PNG with a transparent value": (
        _png(2, 1, 16, 0, struct.pack(">2H", 0x0700, 0x8000), (b"tRNS", struct.pack(">H", 0x0700))),
        _line((255,) * 3, (128,) * 3),
        1,
    ),
    "RGB PNG with a transparent colour": (
        _png(2, 1, 8, 2, bytes((*RED, *BLUE)), (b"tRNS", struct.pack(">3H", *RED))),
        _line((255,) * 3, BLUE),
        0,
    ),
    "1-bit PNG": (_png(2, 1, 1, 0, bytes((0b01000000,))), _line((0,) * 3, (255,) * 3), 0),
    "1x1 PNG": (_png(1, 1, 8, 2, bytes(RED)), _line(RED), 0),
    "animated GIF": (
        _encoded(RGB, "GIF", save_all=True, append_images=[Image.new("RGB", RGB.size, GREEN)] * 3, duration=40),
        _halves(RED, BLUE),
        2,
    ),
    "lossless WebP with alpha": (
        _encoded(Image.fromarray(_halves((*RED, 255), (*BLUE, 0))), "WEBP", lossless=True),
        _halves(RED, (255,) * 3),
        0,
    ),
    "WebP": (_encoded(RGB, "WEBP", quality=100), _halves(RED, BLUE), 30),
    "progressive JPEG": (_encoded(RGB, "JPEG", quality=100, progressive=True, subsampling=0), _halves(RED, BLUE), 3),
    "gray JPEG": (_encoded(Image.new("L", (8, 8), 77), "JPEG"), np.full((8, 8, 3), 77, np.uint8), 1),
    "BMP": (_encoded(RGB, "BMP"), _halves(RED, BLUE), 0),
    "TIFF": (_encoded(RGB, "TIFF", compression="tiff_lzw"), _halves(RED, BLUE), 0),
    "JPEG whose EXIF is garbage": (
        _encoded(RGB, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        _halves(RED, BLUE),
        3,
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_an_unusual_image_is_seen_as_a_person_sees_it(name: str) -> None:
    # Given
    data, expected, tolerance = VALID[name]

    # When
    decoded = decode(data, AS_IT_IS)

    # Then
    assert (decoded.height, decoded.width) == expected.shape[:2]
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape == expected.shape
    difference = np.abs(decoded.pixels.astype(int) - expected)
    if tolerance > 1:  # where a lossy file changes colour, it blurs
        difference[:, 8:24] = 0
    assert difference.max() <= tolerance, decoded.pixels[0]


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_photograph_is_turned_as_its_exif_says(orientation: int) -> None:
    # Given: four fields of different colours, wider than high
    stored = np.repeat(np.repeat(np.array([[RED, BLUE], [GREEN, GRAY]], np.uint8), 16, 0), 24, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encoded(Image.fromarray(stored), "JPEG", quality=100, subsampling=0, exif=exif)

    # When
    decoded = decode(data, AS_IT_IS)

    # Then
    expected = TURNS[orientation](stored)
    assert (decoded.height, decoded.width) == expected.shape[:2]
    assert np.abs(decoded.pixels.astype(int) - expected).max() <= 12


@pytest.mark.parametrize("resample", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_an_image_is_stretched_to_the_engines_form(resample: Resample) -> None:
    # Given
    form = ImageForm(width=30, height=40, resample=resample)
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (21, 90, 3), np.uint8))

    # When
    decoded = decode(_encoded(image, "PNG"), form)

    # Then
    assert (decoded.width, decoded.height) == (90, 21)
    assert decoded.pixels.flags.c_contiguous
    assert (decoded.pixels == np.asarray(image.resize((30, 40), Image.Resampling[resample.upper()]))).all()


def test_a_single_pixel_fills_the_form() -> None:
    pixels = decode(VALID["1x1 PNG"][0], ImageForm(width=7, height=5)).pixels
    assert (pixels == np.full((5, 7, 3), RED)).all()


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8))
BAD = {
    "empty": (b"", "empty_file"),
    "text": (b"This is no image.\n" * 20, "not_an_image"),
    "HTML": (b"<!doctype html><title>404</title>", "not_an_image"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_an_image"),
    "PostScript, which Pillow would hand to a program": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not_an_image",
    ),
    "random bytes": (random.Random(1).randbytes(500), "not_an_image"),
    "JPEG cut in half": (_half(_encoded(NOISE, "JPEG")), "image_damaged"),
    "PNG cut in half": (_half(_encoded(NOISE, "PNG")), "image_damaged"),
    "GIF cut in half": (_half(_encoded(NOISE, "GIF")), "image_damaged"),
    "TIFF cut in half": (_half(_encoded(NOISE, "TIFF", compression="tiff_lzw")), "not_an_image"),
    "WebP cut in half": (_half(_encoded(NOISE, "WEBP")), "image_damaged"),
    "PNG of no data": (_png(8, 8, 8, 2), "image_damaged"),
    "PNG that unpacks a bomb of text": (
        _png(1, 1, 8, 2, bytes(RED), (b"zTXt", b"bomb\0\0" + zlib.compress(bytes(80_000_000)))),
        "image_damaged",
    ),
    "a little too many pixels": (_png(MAX_PIXELS // 8000 + 1, 8000, 8, 2), "image_too_large"),
    "so many that Pillow warns": (_png(12_000, 12_000, 8, 2), "image_too_large"),
    "so many that Pillow refuses": (_png(60_000, 60_000, 8, 2), "image_too_large"),
    "as many as a header can say": (_png(2**31 - 1, 2**31 - 1, 8, 2), "image_too_large"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_gets_a_code_and_one_line_for_a_person(name: str) -> None:
    # Given
    data, code = BAD[name]

    # When
    with pytest.raises(ImageError) as raised:
        decode(data, AS_IT_IS)

    # Then
    assert raised.value.code == code
    assert not raised.value.retryable
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 250


def test_a_damaged_tiff_fails_though_its_library_writes_to_stderr_itself(capfd: pytest.CaptureFixture[str]) -> None:
    # Given
    data = _encoded(NOISE, "TIFF", compression="tiff_lzw")

    # When
    with pytest.raises(ImageError) as raised:
        decode(data[:8] + b"\xff" * 3000 + data[3008:], AS_IT_IS)

    # Then
    assert raised.value.code == "image_damaged"
    capfd.readouterr()


def test_what_libtiff_says_of_damage_is_not_printed() -> None:
    data = bytearray(_encoded(Image.fromarray(_halves(RED, BLUE)), "TIFF", compression="tiff_lzw"))
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    with pytest.raises(ImageError):
        decode(bytes(data), AS_IT_IS)
