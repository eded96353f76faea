"""The size of a WebP image, which Pillow says only when the memory for all of it is taken."""

from __future__ import annotations

_SIDE_BITS = 0x3FFF


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Returns its width and height, None for other files, and where the header does not say.

    Source: RFC 9649, sections 2.5 to 2.7; of lossy images, RFC 6386, section 9.1.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8X":
            return 1 + _number(data, 24, 3), 1 + _number(data, 27, 3)
        case b"VP8L":
            bits = _number(data, 21, 4)
            return 1 + (bits & _SIDE_BITS), 1 + (bits >> 14 & _SIDE_BITS)
        case b"VP8 ":
            return _number(data, 26, 2) & _SIDE_BITS, _number(data, 28, 2) & _SIDE_BITS
        case _:
            return None


def _number(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "little")
