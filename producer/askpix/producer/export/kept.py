"""Values by digests, kept in a temporary file: as many as a job has lines."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from askpix.producer.errors import StorageError
from askpix.producer.results import Line

_DIGEST = 16
_CACHE_KIB = 16_000


class Temporary:
    """A database with some tables that is held as far as there is room in its cache, and otherwise spills to the disk.

    Its end is that of a `with` block.
    """

    def __init__(self, *tables: str) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in (f"cache_size = -{_CACHE_KIB}", "journal_mode = off", "synchronous = off", "temp_store = file"):
            self._database.execute(f"pragma {pragma}")
        for table in tables:
            self._database.execute(f"create table {table}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


class Kept(Temporary):
    """Values by keys.

    Raises:
        StorageError: there is no room for them.
    """

    def __init__(self) -> None:
        super().__init__("kept (key blob primary key, value blob not null) without rowid")

    def put(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """Keeps values, the first of each key; returns how many keys there are."""
        with explained():
            self._database.execute("begin")
            self._database.executemany("insert or ignore into kept values (?, ?)", entries)
            self._database.execute("commit")
            return int(self._database.execute("select count(*) from kept").fetchone()[0])

    def find(self, key: bytes) -> bytes | None:
        """Returns what was kept under a key."""
        with explained():
            row = self._database.execute("select value from kept where key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])


def key_of(line: Line) -> bytes:
    """Returns what tells a line from all others."""
    return item_key(line.id) if line.id is not None else group_key(line.group or "")


def item_key(identity: str) -> bytes:
    """Returns what tells an item from all others."""
    return digest(f"i{identity}")


def group_key(group: str) -> bytes:
    """Returns what tells a group from all others, and from items."""
    return digest(f"g{group}")


def digest(text: str) -> bytes:
    """Returns what a text is kept by."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST).digest()


@contextmanager
def explained() -> Iterator[None]:
    """Raises StorageError where a temporary database has no room."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"an export's temporary files cannot be kept ({error}): make room, or set TMPDIR") from error
