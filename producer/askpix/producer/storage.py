"""Where job folders live. Every write is atomic: a reader sees a whole file or none."""

from __future__ import annotations

import errno
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from askpix.producer.errors import StorageError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:|file:", re.IGNORECASE)
"""What makes a reference a URI: a file may be called `photo:1.jpg`."""


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
    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
        """Writes or replaces a file in one atomic step.

        Args:
            settled: whether it outlives a power cut from then on; otherwise it does once its folder is settled.

        Raises:
            StorageError: it cannot be written.
        """

    def settle(self, folder: str) -> None:  # noqa: B027 - in most storages, files are settled as they are written
        """Makes the files that were written in a folder outlive a power cut.

        Raises:
            StorageError: that cannot be had.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Writes a file unless there is one of that name; returns whether it did. Atomic between processes.

        Raises:
            StorageError: it cannot be written.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Returns whether there is such a file.

        Raises:
            StorageError: it cannot be told.
        """

    @abstractmethod
    def names(self, folder: str) -> Iterator[str]:
        """Yields the names of the files in a folder, sorted, relative to that folder; not those that begin with a dot.

        Raises:
            StorageError: the folder cannot be listed. One that is not there is empty.
        """

    @abstractmethod
    def times(self, folder: str) -> dict[str, float]:
        """Returns when each file of a folder was last written, in seconds since 1970, by the names of `names`.

        Raises:
            StorageError: as `names`.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file; one that is not there is removed already.

        Raises:
            StorageError: it cannot be removed.
        """


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PASSING = (errno.ETIMEDOUT, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EMFILE)
"""Of a mount whose server is away, mostly."""

_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


def _create_without_links(target: Path, data: bytes) -> bool:
    """For file systems without hard links (exFAT, many network mounts): exclusive, but not atomic in content."""
    try:
        with target.open("xb") as file:
            _write_through(file, data)
    except FileExistsError:
        return False
    return True


class LocalStorage(Storage):
    """A folder on this machine, or one that is mounted.

    The way to it may go over symbolic links, but none inside may lead out: whoever may write into a job folder
    cannot make a worker read or write elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)
        self._resolved = Path(os.path.realpath(self.root))

    def read(self, name: str) -> bytes:
        path = self._path(name)
        with _explained(f"{self.root / name} cannot be read"):
            try:
                with open(path, "rb", opener=_open_no_link) as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                pass
        raise FileNotFoundError(self.root / name)

    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
        target = self._path(name)
        with _explained(f"{self.root / name} cannot be written"), _temporary(target, data) as temporary:
            temporary.replace(target)
            if settled:
                _sync_folder(target.parent)

    def settle(self, folder: str) -> None:
        with _explained(f"{self.root / folder} cannot be written"):
            _sync_folder(self._folder(folder))

    def create(self, name: str, data: bytes) -> bool:
        target = self._path(name)
        with _explained(f"{self.root / name} cannot be written"), _temporary(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if not _create_without_links(target, data):
                    return False
            _sync_folder(target.parent)
            return True

    def exists(self, name: str) -> bool:
        path = self._path(name)
        with _explained(f"{self.root / name} cannot be read"):
            try:
                path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def names(self, folder: str) -> Iterator[str]:
        path = self._folder(folder)
        with _explained(f"{self.root / folder} cannot be listed"):
            try:
                with os.scandir(path) as entries:
                    found = sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
            except FileNotFoundError:
                found = []
        yield from (name for name in found if not name.startswith("."))

    def times(self, folder: str) -> dict[str, float]:
        path = self._folder(folder)
        found: dict[str, float] = {}
        with _explained(f"{self.root / folder} cannot be listed"):
            for name in self.names(folder):
                # One that is removed meanwhile is not there.
                with suppress(FileNotFoundError):
                    found[name] = (path / name).lstat().st_mtime
        return found

    def remove(self, name: str) -> None:
        path = self._path(name)
        with _explained(f"{self.root / name} cannot be removed"), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def _path(self, name: str) -> Path:
        """Returns where a file is.

        Raises:
            StorageError: as `_folder`.
        """
        folder, _, last = name.rpartition("/")
        return self._folder(folder) / last

    def _folder(self, name: str) -> Path:
        """Returns where a folder is.

        Raises:
            StorageError: that is outside the root, or the root is not where it was: there is a link on the way.
        """
        # Some 20 us, where a write takes more than 1,000.
        folder = Path(os.path.realpath(self.root / name))
        if not folder.is_relative_to(self._resolved):
            raise StorageError(f"{self.root / name} leads out of the job folder by a symbolic link: remove that")
        return folder


def _open_no_link(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link, and no such link is followed in a job folder") from None
        raise


@contextmanager
def _temporary(target: Path, data: bytes) -> Iterator[Path]:
    """Writes the data beside its place, flushed to the disk; what is left of it is removed at the end."""
    _make_folder(target.parent)
    temporary = target.with_name(f".partial-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            _write_through(file, data)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write_through(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk: without that, a whole file can be gone after a power cut."""
    # On ext4, a file takes 1.5 ms with it and 1.3 without, and 1.0 and 0.9 where 16 threads write: little for a
    # result, which is the work of seconds. The thousands of files of a long list are settled at once.
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # Others come from folders that one may write to and not read, and from file systems that flush none.
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise


def local_path(uri: str) -> Path | None:
    """Returns the path that a plain path or a `file:` URI names, or None for any other URI."""
    if not _URI.match(uri):
        return Path(uri)
    if not uri.lower().startswith("file:"):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") and parts.path else None


def open_storage(uri: str) -> Storage:
    """Returns the storage that a URI names: a local folder, or `s3://bucket/prefix`. Asks no network for it.

    Raises:
        StorageError: askpix cannot keep a job folder there.
    """
    if uri[:5].lower() == "s3://":
        # Whoever keeps no job in S3 does not wait for its client to be imported.
        from askpix.producer.s3 import S3Storage

        return S3Storage(uri)
    path = local_path(uri) if uri else None
    if path is None or "\0" in uri:
        raise StorageError(
            f"{shortened(uri)!r} is no place for a job folder: give the path of a local folder or s3://bucket/prefix"
        )
    with _explained(f"{shortened(uri)} is no place for a job folder"):
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file: a job folder needs a folder of its own, new or empty")
    return LocalStorage(path)


def shortened(text: str) -> str:
    """Returns a text as an error quotes it: not longer than a line or two."""
    return text if len(text) <= 200 else f"{text[:197]}..."


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            said = f"{what}: the disk is full; make room and run the same command again"
            raise StorageError(said, passing=True) from error
        said = f"{what}: {(error.strerror or str(error)).lower()}"
        raise StorageError(said, passing=error.errno in _PASSING) from error
