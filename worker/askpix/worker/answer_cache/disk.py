"""Answers in a file of this machine, which all workers of a user share: SQLite, with its write-ahead log."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from askpix.worker.answer_cache.store import MAX_FIELDS, Change, Contents, Fields, Store, StoreError
from askpix.worker.cache_folder import only_one

_log = logging.getLogger(__name__)

_APPLICATION = 0x61736B70
"""By which the file is known as one of ours."""

_NAME = re.compile(r"answers-v1\.(\d{1,6})\.sqlite3")
"""The format of the file, and how many before it were damaged. A name is never used again: a process that still has the
old file open would remove the write-ahead log of the new one with its own."""

_SCHEMA = (
    "CREATE TABLE image (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, used INTEGER NOT NULL)",
    "CREATE TABLE answer (image INTEGER NOT NULL, field BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (image, field)) WITHOUT ROWID",
    "CREATE INDEX image_used ON image (used)",
)

_READ = """SELECT answer.field, answer.value, image.used FROM image JOIN answer ON answer.image = image.id
WHERE image.key = ? LIMIT ?"""

_NOTE = """INSERT INTO image (key, model, used) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET used = excluded.used RETURNING id"""

_OLDEST = "SELECT id FROM image ORDER BY used, id LIMIT ?"

_READ_SECONDS, _WRITE_SECONDS = 0.25, 10.0
"""That a reader, or a writer, waits for another process."""

_USED_SECONDS = 3_600
"""Since an image was last used, after which that is said again."""

_REMOVED_AT_ONCE = 500
_KEEP_SHARE = 0.9
"""Of the limit, to which what was not used for longest is removed: so it is not done for every batch."""

_DAMAGED = ("malformed", "not a database", "disk image", "encrypted")


class DiskStore(Store):
    """Answers in a folder that only this user can write to.

    Args:
        folder: of the cache alone.
        limit: bytes that the file may have.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        """Held to use the reading connection."""
        self._writing = threading.Lock()
        self._path = folder / ""
        self._reader, self._writer = self._opened()

    def read(self, model: str, image: bytes) -> tuple[Fields, bool]:  # noqa: ARG002 - it is in the key
        with self._minding(), self._lock:
            rows = self._reader.execute(_READ, (image, MAX_FIELDS + 2)).fetchall()
        fields = {field: value for field, value, _ in rows if isinstance(field, bytes) and isinstance(value, bytes)}
        return fields, bool(rows) and _seconds_since(rows[0][2]) > _USED_SECONDS

    def write(self, changes: Sequence[Change]) -> None:
        now = int(time.time())
        with self._minding(), self._writing, self._transaction() as writer:
            for change in changes:
                if not change.fields:
                    writer.execute("UPDATE image SET used = ? WHERE key = ?", (now, change.image))
                    continue
                (number,) = writer.execute(_NOTE, (change.image, change.model, now)).fetchone()
                if change.anew:
                    writer.execute("DELETE FROM answer WHERE image = ?", (number,))
                writer.executemany(
                    "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
                    [(number, field, value) for field, value in change.fields.items()],
                )
        with self._minding(), self._writing:
            self._keep_to(self._limit)

    def contents(self) -> Contents:
        with self._minding(), self._lock:
            reader = self._reader
            by_model = dict(reader.execute("SELECT model, count(*) FROM image GROUP BY model ORDER BY model"))
            (values,) = reader.execute("SELECT count(*) FROM answer").fetchone()
            (oldest,) = reader.execute("SELECT min(used) FROM image").fetchone()
        images = sum(by_model.values())
        return Contents(
            place=str(self._path),
            images=images,
            # Each image has its size among them.
            answers=max(values - images, 0),
            bytes=sum(path.stat().st_size for path in (self._path, self._log_path()) if path.exists()),
            limit=self._limit,
            by_model=by_model,
            oldest=oldest,
        )

    def purge(self, model: str | None) -> int:
        with self._minding(), self._writing:
            which, values = ("", ()) if model is None else (" WHERE model = ?", (model,))
            with self._transaction() as writer:
                writer.execute(f"DELETE FROM answer WHERE image IN (SELECT id FROM image{which})", values)  # noqa: S608
                removed = writer.execute(f"DELETE FROM image{which}", values).rowcount  # noqa: S608
            self._shrink()
        return removed

    def close(self) -> None:
        with self._lock, self._writing:
            self._reader.close()
            self._writer.close()

    def _log_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}-wal")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _keep_to(self, limit: int) -> None:
        if self._used() <= limit:
            return
        while (excess := self._used() - int(limit * _KEEP_SHARE)) > 0:
            with self._transaction() as writer:
                (images,) = writer.execute("SELECT count(*) FROM image").fetchone()
                number = images * excess // self._used() + 1
                oldest = writer.execute(_OLDEST, (min(number, _REMOVED_AT_ONCE),)).fetchall()
                writer.executemany("DELETE FROM answer WHERE image = ?", oldest)
                writer.executemany("DELETE FROM image WHERE id = ?", oldest)
            if not oldest:
                break
        self._shrink()

    def _shrink(self) -> None:
        """Gives what is free in the file back to the disk, and what is in its log."""
        # One step frees one page; this takes them all.
        self._writer.executescript("PRAGMA incremental_vacuum")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _used(self) -> int:
        """Returns the bytes of the file that hold something."""
        pages, free, size = (
            int(self._writer.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    # The file. ----------------------------------------------------------------------------------

    def _opened(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """Opens the newest file, or begins one; a file that is none of ours is set aside.

        Raises:
            StoreError: the folder takes none.
        """
        try:
            with only_one(self._folder):
                for _ in range(2):
                    self._path = self._newest()
                    try:
                        return self._connect(_READ_SECONDS), self._connect(_WRITE_SECONDS)
                    except sqlite3.DatabaseError as error:
                        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                            raise
                        self._set_aside(error)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path} cannot be opened: {error}") from None
        raise StoreError(f"no file of answers can be begun in {self._folder}")

    def _newest(self) -> Path:
        names = (path.name for path in self._folder.iterdir())
        numbers = [int(found[1]) for found in map(_NAME.fullmatch, names) if found]
        return self._folder / f"answers-v1.{max(numbers, default=0)}.sqlite3"

    def _connect(self, seconds: float) -> sqlite3.Connection:
        # Answers may be nobody else's business. What SQLite puts beside the file has its mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self._path, timeout=seconds, isolation_level=None, check_same_thread=False)
        try:
            # A file of somebody else's making runs nothing of his.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            if connection.execute("PRAGMA schema_version").fetchone() == (0,):
                _begin(connection)
            found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
            if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION,) or found != set(_SCHEMA):
                raise sqlite3.DatabaseError("it is not a database of answers")
            # A power failure may cost what was last kept, and no more.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 8388608")
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: Exception) -> None:
        """Has the next file begin, and removes those that were set aside before this one."""
        number = int(_NAME.fullmatch(self._path.name)[1])  # type: ignore[index]
        _log.warning("%s is damaged, or none of ours (%s): it is left as it is, and a new one begun", self._path, error)
        for old in range(number):
            for ending in ("", "-wal", "-shm"):
                with suppress(OSError):
                    (self._folder / f"answers-v1.{old}.sqlite3{ending}").unlink()
        self._path = self._folder / f"answers-v1.{number + 1}.sqlite3"
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    @contextmanager
    def _minding(self) -> Iterator[None]:
        """Has what goes wrong with the file raised as StoreError; a damaged one is set aside."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if _is_damage(error):
                self._begin_anew(error)
            raise StoreError(f"{self._path}: {error}") from None

    def _begin_anew(self, error: Exception) -> None:
        with self._lock, self._writing:
            for connection in (self._reader, self._writer):
                with suppress(sqlite3.Error):
                    connection.close()
            with suppress(OSError), only_one(self._folder):
                # Unless another process has done so.
                if self._newest() == self._path:
                    self._set_aside(error)
            self._reader, self._writer = self._opened()


def _begin(connection: sqlite3.Connection) -> None:
    # Both before there is anything in the file.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("COMMIT")


def _is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error).lower() for word in _DAMAGED)


def _seconds_since(used: object) -> float:
    return time.time() - used if isinstance(used, int | float) else float("inf")
