"""Gray images of more than 8 bits a value, in TIFF files written by hand, against what a person sees."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import decode

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
NAN, INF = float("nan"), float("inf")


def _tiff(
    bits: int, kind: int, row: bytes, *, white_is_zero: bool = False, orientation: int = 1, height: int = 1
) -> bytes:
    """Returns a gray TIFF: its values, then its tags, the values in the order of their bytes here."""
    tags = {
        256: 8 * len(row) // bits // height,
        257: height,
        258: bits,
        259: 1,
        262: 0 if white_is_zero else 1,
        273: 8,
        274: orientation,
        277: 1,
        278: height,
        279: len(row),
        339: kind,
    }
    row += bytes(len(row) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(row)) + row + struct.pack("<H", len(tags)) + entries + bytes(4)


def _floats(*values: float, white_is_zero: bool = False) -> bytes:
    return _tiff(32, FLOAT, struct.pack(f"<{len(values)}f", *values), white_is_zero=white_is_zero)


def _ints(*values: int) -> bytes:
    return _tiff(32, SIGNED, struct.pack(f"<{len(values)}i", *values))


_DEPTHS = struct.pack("<3H", 0, 0x0180, 0xFFFF)
ROWS = {
    "16 bits": (_tiff(16, UNSIGNED, _DEPTHS), [0, 1, 255]),
    "16 bits, white is zero": (_tiff(16, UNSIGNED, _DEPTHS, white_is_zero=True), [255, 254, 0]),
    "16 bits, mirrored": (_tiff(16, UNSIGNED, _DEPTHS, orientation=2), [255, 1, 0]),
    "16 bits, mirrored, white is zero": (
        _tiff(16, UNSIGNED, _DEPTHS, white_is_zero=True, orientation=2),
        [0, 254, 255],
    ),
    "12 bits": (_tiff(12, UNSIGNED, bytes.fromhex("0000107fffff")), [0, 1, 127, 255]),
    "signed 16 bits, as of X-ray densities": (_tiff(16, SIGNED, struct.pack("<3h", -1000, 0, 1000)), [0, 128, 255]),
    "32 bits, of 8-bit values": (_ints(0, 7, 255), [0, 7, 255]),
    "32 bits, of 16-bit values": (_ints(0, 0x1010, 0xFFFF), [0, 16, 255]),
    "32 bits, of others": (_ints(-70_000, 0, 30_000), [0, 178, 255]),
    "unsigned 32 bits": (
        _tiff(32, UNSIGNED, struct.pack("<4I", 2**30, 2**31, 3 * 2**30, 2**31 - 2**26)),
        [0, 128, 255, 120],
    ),
    "floats from 0 to 1": (_floats(0, 0.25, 77 / 255, 1), [0, 64, 77, 255]),
    "floats from 0 to 1 that do not reach the ends": (_floats(0.2, 0.6), [51, 153]),
    "floats from 0 to 1, white is zero": (_floats(0.2, 1, white_is_zero=True), [204, 0]),
    "floats of 8-bit values": (_floats(0, 6.6, 255), [0, 7, 255]),
    "floats of 16-bit values": (_floats(0, 0x1010, 0xFFFF), [0, 16, 255]),
    "floats of heights": (_floats(-100, 301, 700), [0, 128, 255]),
    "floats that are no numbers or infinite": (_floats(0, NAN, 0.2, INF, -INF), [0, 0, 51, 255, 0]),
    "a float that is not even no number": (
        _tiff(32, FLOAT, bytes.fromhex("0100807f") + struct.pack("<f", 1)),
        [0, 255],
    ),
    "floats of which none is a number": (_floats(NAN, NAN), [0, 0]),
    "the largest floats": (_floats(-3.4e38, 0, 3.4e38), [0, 128, 255]),
    "the smallest floats below zero": (_floats(-1e-45, 0), [0, 255]),
    "one height": (_floats(-5, -5), [0, 0]),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_gray_image_of_many_bits_is_seen_as_a_person_sees_it(name: str) -> None:
    # Given
    data, expected = ROWS[name]

    # When
    pixels = decode(data, ImageForm(width=None, height=None)).pixels

    # Then
    assert pixels.shape == (1, len(expected), 3)
    assert pixels[0].tolist() == [[value] * 3 for value in expected]


def test_a_large_image_is_scaled_as_one() -> None:
    # Given: more values than are scaled at once, the darkest first and the lightest last
    values = np.linspace(-7, 7, 3_000_000, dtype=np.float32)

    # When
    data = _tiff(32, FLOAT, values.tobytes(), height=3_000)
    pixels = decode(data, ImageForm(width=None, height=None)).pixels

    # Then
    assert (pixels[..., 0].ravel() == np.rint((values.astype(np.float64) + 7) * 255 / 14)).all()
