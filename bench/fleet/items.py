"""The items of the fleet's job: images that cost next to nothing and are images all the same."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator

from askpix.producer.followed import Job
from askpix.producer.items import Item


def items(count: int) -> Iterator[Item]:
    """Yields items with an image each, a data URI of a PNG of one pixel; up to 16 million of them are all different."""
    for number in range(count):
        uri = base64.b64encode(_pixel(number)).decode()
        yield Item(id=f"item-{number:08d}", image=f"data:image/png;base64,{uri}")


def check(job: Job, count: int) -> dict[str, int]:
    """Counts a job's rows against its items; returns how many there are, are missing, come twice, and have failed."""
    ids: list[str] = []
    failed = 0
    for part, round_ in job.folder.results().items():
        table = job.folder.read_result_table(part, round_, ["id", "status"])
        ids += table.column("id").to_pylist()
        failed += sum(status != "ok" for status in table.column("status").to_pylist())
    right = [f"item-{number:08d}" for number in range(count)]
    found = set(ids)
    return {
        "rows": len(ids),
        "missing": len(set(right) - found),
        "twice": len(ids) - len(found),
        "in_order": int(ids == right),
        "failed": failed,
    }


def _pixel(color: int) -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + (color & 0xFFFFFF).to_bytes(3, "big"), 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
