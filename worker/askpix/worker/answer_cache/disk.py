"""Answers in a file of this machine, which all workers of a user share: SQLite, with its write-ahead log."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from askpix.worker.answer_cache.disk_file import OpenFile, is_busy, is_damage, open_newest, set_aside
from askpix.worker.answer_cache.store import MAX_FIELDS, Change, Contents, Fields, Store, StoreError

_READ = """SELECT answer.field, answer.value, image.used FROM image JOIN answer ON answer.image = image.id
WHERE image.key = ? LIMIT ?"""

_NOTE = """INSERT INTO image (key, model, used) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET used = excluded.used RETURNING id"""

_FORGET = (
    "DELETE FROM answer WHERE image IN (SELECT id FROM image WHERE key = ?)",
    "DELETE FROM image WHERE key = ?",
)

_OLDEST = "SELECT id FROM image ORDER BY used, id LIMIT ?"

_USED_SECONDS = 3_600
"""Since an image was last used, after which that is said again."""

_REMOVED_AT_ONCE = 500
_KEEP_SHARE = 0.9
"""Of the limit, to which what was not used for longest is removed: so it is not done for every batch."""


class DiskStore(Store):
    """Answers in a folder that only this user can write to. A file that is deleted meanwhile is begun anew.

    Args:
        folder: of the cache alone.
        limit: bytes that the file may have.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._reading, self._writing = threading.Lock(), threading.Lock()
        """Held to use a connection; both, the first first, to open the file."""
        self._closed = False
        self._file: OpenFile | None = None
        """None where it could not be opened: then that is tried again each time."""
        try:
            self._file = open_newest(folder)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise

    def read(self, model: str, image: bytes) -> tuple[Fields, bool]:  # noqa: ARG002 - it is in the key
        with self._using(self._reading) as file:
            rows = file.reader.execute(_READ, (image, MAX_FIELDS + 2)).fetchall()
        fields = {field: value for field, value, _ in rows if isinstance(field, bytes) and isinstance(value, bytes)}
        return fields, bool(rows) and _seconds_since(rows[0][2]) > _USED_SECONDS

    def write(self, changes: Sequence[Change]) -> None:
        now = int(time.time())
        with self._using(self._writing) as file, _transaction(file.writer) as writer:
            for change in changes:
                if change.anew:
                    for statement in _FORGET:
                        writer.execute(statement, (change.image,))
                if not change.fields:
                    writer.execute("UPDATE image SET used = ? WHERE key = ?", (now, change.image))
                    continue
                (number,) = writer.execute(_NOTE, (change.image, change.model, now)).fetchone()
                writer.executemany(
                    "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
                    [(number, field, value) for field, value in change.fields.items()],
                )
        with self._using(self._writing) as file:
            if _used(file.writer) + file.log_bytes() > self._limit:
                _empty_log(file.writer)
            _keep_to(self._limit, file.writer)

    def contents(self) -> Contents:
        with self._using(self._reading) as file:
            reader = file.reader
            by_model = dict(reader.execute("SELECT model, count(*) FROM image GROUP BY model ORDER BY model"))
            (values,) = reader.execute("SELECT count(*) FROM answer").fetchone()
            (oldest,) = reader.execute("SELECT min(used) FROM image").fetchone()
        images = sum(by_model.values())
        return Contents(
            place=str(file.path),
            images=images,
            # Each image has its size among them.
            answers=max(values - images, 0),
            bytes=file.path.stat().st_size + file.log_bytes(),
            limit=self._limit,
            by_model=by_model,
            oldest=oldest,
        )

    def purge(self, model: str | None) -> int:
        which, values = ("", ()) if model is None else (" WHERE model = ?", (model,))
        with self._using(self._writing) as file:
            with _transaction(file.writer) as writer:
                writer.execute(f"DELETE FROM answer WHERE image IN (SELECT id FROM image{which})", values)  # noqa: S608
                removed = writer.execute(f"DELETE FROM image{which}", values).rowcount  # noqa: S608
            _shrink(file.writer)
        return removed

    def close(self) -> None:
        with self._reading, self._writing:
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    @contextmanager
    def _using(self, lock: threading.Lock) -> Iterator[OpenFile]:
        """Yields the file. What goes wrong with it is raised as StoreError; a damaged one is set aside."""
        file = None
        try:
            if (found := self._file) is None or not found.is_there():
                self._open_after(found)
            with lock:
                file = self._file
                if file is None:
                    raise StoreError(f"no file of answers is open in {self._folder}")
                yield file
        except (sqlite3.Error, OSError) as error:
            if file is not None and is_damage(error):
                self._open_after(file, error)
            raise StoreError(f"{self._folder if file is None else file.path}: {error}") from None

    def _open_after(self, used: OpenFile | None, error: Exception | None = None) -> None:
        """Opens the newest file in the place of the one that was used, unless another thread has done so.

        Args:
            error: of a file that is damaged.

        Raises:
            StoreError, sqlite3.Error, OSError: there is none.
        """
        with self._reading, self._writing:
            if self._file is not used or self._closed:
                return
            if used is not None:
                self._file = None
                used.close()
                if error is not None:
                    set_aside(used.path, error)
            self._file = open_newest(self._folder)


@contextmanager
def _transaction(writer: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    writer.execute("BEGIN IMMEDIATE")
    try:
        yield writer
        writer.execute("COMMIT")
    except BaseException:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise


def _keep_to(limit: int, connection: sqlite3.Connection) -> None:
    if _used(connection) <= limit:
        return
    while (excess := _used(connection) - int(limit * _KEEP_SHARE)) > 0:
        with _transaction(connection) as writer:
            (images,) = writer.execute("SELECT count(*) FROM image").fetchone()
            number = images * excess // _used(writer) + 1
            oldest = writer.execute(_OLDEST, (min(number, _REMOVED_AT_ONCE),)).fetchall()
            writer.executemany("DELETE FROM answer WHERE image = ?", oldest)
            writer.executemany("DELETE FROM image WHERE id = ?", oldest)
        if not oldest:
            break
    _shrink(connection)


def _shrink(writer: sqlite3.Connection) -> None:
    """Gives what is free in the file back to the disk, and what is in its log."""
    # One step frees one page; this takes them all.
    writer.executescript("PRAGMA incremental_vacuum")
    _empty_log(writer)


def _empty_log(writer: sqlite3.Connection) -> None:
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _used(writer: sqlite3.Connection) -> int:
    """Returns the bytes of the file that hold something."""
    pages, free, size = (
        int(writer.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _seconds_since(used: object) -> float:
    return time.time() - used if isinstance(used, int | float) else float("inf")
