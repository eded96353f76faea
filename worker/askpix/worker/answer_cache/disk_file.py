"""A file of answers: found in its folder or begun there, opened, and set aside where it is damaged."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from askpix.worker.answer_cache.store import StoreError
from askpix.worker.cache_folder import only_one, own_folder

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

_READ_SECONDS, _WRITE_SECONDS = 0.25, 10.0
"""That a reader, or a writer, waits for another process."""

_DAMAGED = ("malformed", "not a database", "disk image", "encrypted")


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class OpenFile:
    """A file of answers, as two connections have it."""

    path: Path
    inode: int
    reader: sqlite3.Connection
    writer: sqlite3.Connection

    def log_bytes(self) -> int:
        """Returns how large the log is, of what was written and is not in the file itself yet."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def is_there(self) -> bool:
        """Returns whether it was not deleted meanwhile, when nobody else would find what is written to it."""
        try:
            return self.path.lstat().st_ino == self.inode
        except FileNotFoundError:
            return False

    def close(self) -> None:
        for connection in (self.reader, self.writer):
            with suppress(sqlite3.Error):
                connection.close()


def open_newest(folder: Path) -> OpenFile:
    """Opens the newest file, or begins one; a file that is none of ours is set aside.

    Raises:
        StoreError: the folder takes none.
        sqlite3.OperationalError: another process has it for itself.
    """
    if own_folder(folder.parent, folder.name, "answers") is None:
        raise StoreError(f"{folder} cannot be used")
    path = folder
    try:
        with only_one(folder):
            for _ in range(2):
                path = _newest(folder)
                try:
                    return _opened(path)
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError) and not is_damage(error):
                        raise
                    _set_aside(path, error)
    except (sqlite3.Error, OSError) as error:
        if is_busy(error):
            raise
        raise StoreError(f"{path} cannot be opened: {error}") from None
    raise StoreError(f"no file of answers can be begun in {folder}")


def set_aside(path: Path, error: Exception) -> None:
    """Has others begin a new file, unless another process has done so."""
    with suppress(OSError), only_one(path.parent):
        if _newest(path.parent) == path:
            _set_aside(path, error)


def is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error).lower() for word in _DAMAGED)


def is_busy(error: Exception) -> bool:
    """Returns whether another process has a file for itself now."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error).lower()


def _newest(folder: Path) -> Path:
    names = (path.name for path in folder.iterdir())
    numbers = [int(found[1]) for found in map(_NAME.fullmatch, names) if found]
    return folder / f"answers-v1.{max(numbers, default=0)}.sqlite3"


def _opened(path: Path) -> OpenFile:
    _made(path)
    facts = path.lstat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError("it is no file")
    reader = _connect(path)
    try:
        writer = _connect(path)
    except BaseException:
        reader.close()
        raise
    reader.execute(f"PRAGMA busy_timeout = {int(_READ_SECONDS * 1_000)}")
    return OpenFile(path=path, inode=facts.st_ino, reader=reader, writer=writer)


def _made(path: Path) -> None:
    """Makes an empty file, where there is none."""
    # One that is there is not opened but by SQLite: whatever else closes it, frees all locks that this process has on
    # it, and other processes remove the log under it.
    with suppress(FileExistsError):
        # Answers may be nobody else's business. What SQLite puts beside the file has its mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WRITE_SECONDS, isolation_level=None, check_same_thread=False)
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


def _begin(connection: sqlite3.Connection) -> None:
    # Both before there is anything in the file.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("COMMIT")


def _set_aside(path: Path, error: Exception) -> None:
    """Has the next file begin, and removes those that were set aside before this one."""
    number = int(_NAME.fullmatch(path.name)[1])  # type: ignore[index]
    _log.warning("%s is damaged, or none of ours (%s): it is left as it is, and a new one begun", path, error)
    for old in range(number):
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                path.with_name(f"answers-v1.{old}.sqlite3{ending}").unlink()
    _made(path.with_name(f"answers-v1.{number + 1}.sqlite3"))
