"""Where job folders live. Every write is atomic: a reader sees a whole file or none."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from askpix.producer.errors import StorageError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:|file:", re.IGNORECASE)
"""What makes a reference a URI: a file may be called `photo:1.jpg`."""


def _file_mode() -> int:
    # There is no way to read the mask without setting it, so it is read once, before there are threads.
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


_FILE_MODE = _file_mode()


class Storage(ABC):
    """A folder of files, by names that are relative to it and use forward slashes."""

    uri: str
    """Where the folder is, in a form that `open_storage` takes on any machine that can reach it."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Returns a file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
            StorageError: it cannot be read.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Writes or replaces a file in one atomic step.

        Raises:
            StorageError: it cannot be written.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Writes a file unless there is one of that name; returns whether it did. Atomic between processes.

        Raises:
            StorageError: it cannot be written.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Returns whether there is such a file."""

    @abstractmethod
    def names(self, folder: str) -> Iterator[str]:
        """Yields the names of the files in a folder, sorted, relative to that folder."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file; one that is not there is no error."""


class LocalStorage(Storage):
    """A folder on this machine, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)

    def read(self, name: str) -> bytes:
        with _explained(f"{self.root / name} cannot be read"):
            return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        target = self.root / name
        with _explained(f"{target} cannot be written"), self._temporary(target, data) as temporary:
            temporary.replace(target)

    def create(self, name: str, data: bytes) -> bool:
        target = self.root / name
        with _explained(f"{target} cannot be written"), self._temporary(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            return True

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def names(self, folder: str) -> Iterator[str]:
        with suppress(FileNotFoundError):
            yield from sorted(entry.name for entry in os.scandir(self.root / folder) if not entry.name.startswith("."))

    def remove(self, name: str) -> None:
        with _explained(f"{self.root / name} cannot be removed"):
            (self.root / name).unlink(missing_ok=True)

    @contextmanager
    def _temporary(self, target: Path, data: bytes) -> Iterator[Path]:
        """Writes the data beside its place, flushed to the disk; what is left of it is removed at the end."""
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(_FILE_MODE)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def local_path(uri: str) -> Path | None:
    """Returns the path that a plain path or a `file:` URI names, or None for any other URI."""
    if not _URI.match(uri):
        return Path(uri)
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return None


def open_storage(uri: str) -> Storage:
    """Returns the storage that a URI names.

    Raises:
        StorageError: askpix cannot keep a job folder there.
    """
    path = local_path(uri) if uri else None
    if path is None or "\0" in uri:
        raise StorageError(f"{uri!r} is no place for a job folder: give the path of a local folder")
    if path.exists() and not path.is_dir():
        raise StorageError(f"{path} is a file: a job folder needs a folder of its own, new or empty")
    return LocalStorage(path)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(f"{what}: the disk is full; make room and run the same command again") from error
        raise StorageError(f"{what}: {(error.strerror or str(error)).lower()}") from error
