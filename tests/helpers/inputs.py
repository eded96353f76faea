"""Lists that a test has written, read."""

from __future__ import annotations

from pathlib import Path

from askpix.producer import Item
from askpix.producer.inputs import Input


def read(path: Path, text: str | bytes) -> list[Item]:
    """Returns the items of a list with that content."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(Input(str(path)))
