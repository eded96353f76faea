"""Gives each item of a job an id of its own, in little memory however long the job is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from askpix.producer.errors import InputError, StorageError
from askpix.producer.items import Item
from askpix.producer.references import reference_id
from askpix.producer.storage import shortened

_DIGEST = 16
_CACHE_KIB = 32_000

# The ids of a block are added in one statement, sorted, which runs without Python's lock. Of what was measured
# for 1,000,000 new ids in blocks of 10,000 (memory added; digests included):
#     a Python set of texts                   0.4 us an id, 140 MB, and more with every id
#     this                                    2.1 us an id,  33 MB; 6.7 us and 40 MB for 10,000,000
#     the same, unsorted                      3.3 us
#     select those that are there, then executemany     3.3 us
_ADD = f"""
    insert or ignore into used
    with recursive place(at) as (select 1 union all select at + {_DIGEST} from place where at + {_DIGEST} <= length(?1))
    select substr(?1, at, {_DIGEST}), 1, ?2 from place order by 1
"""  # noqa: S608 - the only thing put in is a constant
_FIND = f"""
    with recursive place(at) as (select 1 union all select at + {_DIGEST} from place where at + {_DIGEST} <= length(?1))
    select key, number from used where block < ?2 and key in (select substr(?1, at, {_DIGEST}) from place)
"""  # noqa: S608 - the only thing put in is a constant


class UniqueIds:
    """The ids of one job so far: digests of them, in a temporary database that spills to the disk.

    `number` is the highest repeat of a reference that was given out: 3 stands for `#3`. `block` tells the ids of
    the block in hand from those before.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in (f"cache_size = -{_CACHE_KIB}", "journal_mode = off", "synchronous = off", "temp_store = file"):
            self._database.execute(f"pragma {pragma}")
        self._database.execute(
            "create table used (key blob primary key, number integer not null, block integer not null) without rowid"
        )
        self._block = 0

    def close(self) -> None:
        self._database.close()

    def assign(self, items: Sequence[Item]) -> list[str]:
        """Returns the ids of the next items: given ones, or made from the reference, with #2 and so on for repeats.

        Raises:
            InputError: an id that was given is there already.
            StorageError: there is no room for temporary files.
        """
        wanted = [reference_id(item.image) if item.id is None else item.id for item in items]
        digests = list(map(_digest, wanted))
        joined = b"".join(digests)
        self._block += 1
        with _explained():
            if self._database.execute(_ADD, (joined, self._block)).rowcount == len(wanted):
                return wanted
            return self._numbered(items, wanted, digests, dict(self._database.execute(_FIND, (joined, self._block))))

    def _numbered(
        self, items: Sequence[Item], wanted: list[str], digests: list[bytes], numbers: dict[bytes, int]
    ) -> list[str]:
        """Returns the ids of a block that repeats some; `numbers` are those that blocks before have taken."""
        ids = []
        for item, text, key in zip(items, wanted, digests, strict=True):
            identity = text
            if key not in numbers:
                numbers[key] = 1
            elif item.id is not None:
                raise InputError(f"the id {shortened(text)!r} comes twice: ids must differ, or be left out")
            else:
                identity = self._next_free(text, key, numbers)
            ids.append(identity)
        self._database.execute("begin")
        self._database.executemany(
            "insert or replace into used values (?, ?, ?)",
            [(key, number, self._block) for key, number in numbers.items()],
        )
        self._database.execute("commit")
        return ids

    def _next_free(self, text: str, key: bytes, numbers: dict[bytes, int]) -> str:
        while True:
            numbers[key] += 1
            candidate = f"{text}#{numbers[key]}"
            digest = _digest(candidate)
            if digest not in numbers and not self._was_taken(digest):
                numbers[digest] = 1
                return candidate

    def _was_taken(self, digest: bytes) -> bool:
        # A later item of this block may want it too: that one has to step aside, so only blocks before count.
        query = "select 1 from used where key = ? and block < ?"
        return self._database.execute(query, (digest, self._block)).fetchone() is not None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"the ids cannot be kept in temporary files ({error}): make room, or set TMPDIR") from error
