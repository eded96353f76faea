"""Files that answers are kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askpix.worker.answer_cache.disk import DiskStore

LIMIT = 8 << 20


Open = Callable[..., DiskStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "answers"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def open_store(folder: Path) -> Iterator[Open]:
    opened: list[DiskStore] = []

    def open_(limit: int = LIMIT) -> DiskStore:
        opened.append(DiskStore(folder, limit))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")
