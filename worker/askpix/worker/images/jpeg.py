"""What the markers of a JPEG say that Pillow does not."""

from __future__ import annotations

_SCAN = 0xDA
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers after which no length comes."""


def scan_colours(data: bytes) -> int | None:
    """Returns how many of its colours the first scan has; None where there is none.

    Where they are not all of them, others come in scans of their own. Source: ITU-T T.81, sections B.1.1 and B.2.3.
    """
    at = 2
    while at + 5 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _SCAN:
            return data[at + 4]
        if marker == 0xFF:  # a byte that fills
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + max(int.from_bytes(data[at + 2 : at + 4]), 2)
    return None
