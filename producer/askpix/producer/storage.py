"""Where job folders live. Every write is atomic: a reader sees a whole file or none."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from askpix.producer.durable import explained, give_name, open_no_link, sync_folder, written_beside
from askpix.producer.errors import StorageError, TooLargeError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:|file:", re.IGNORECASE)


class Storage(ABC):
    """A folder of files, by names that are relative to it and use forward slashes."""

    uri: str
    """Where the folder is, in a form that `opening.open_storage` takes on any machine that can reach it."""

    @abstractmethod
    def read(self, name: str, *, most: int | None = None) -> bytes:
        """Returns a file's bytes.

        Args:
            most: how many of them may be held.

        Raises:
            FileNotFoundError: there is no such file.
            TooLargeError: it has more than that.
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


class LocalStorage(Storage):
    """A folder on this machine, or one that is mounted.

    The way to it may go over symbolic links, but none inside may lead out: whoever may write into a job folder
    cannot make a worker read or write elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = str(self.root)
        self._resolved = Path(os.path.realpath(self.root))

    def read(self, name: str, *, most: int | None = None) -> bytes:
        path = self._path(name)
        with explained(f"{self.root / name} cannot be read"):
            try:
                with open(path, "rb", opener=open_no_link) as file:
                    check_size(f"{self.root / name}", os.fstat(file.fileno()).st_size, most)
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                pass
        raise FileNotFoundError(self.root / name)

    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
        target = self._path(name)
        with explained(f"{self.root / name} cannot be written"), written_beside(target, data) as temporary:
            temporary.replace(target)
            if settled:
                sync_folder(target.parent)

    def settle(self, folder: str) -> None:
        with explained(f"{self.root / folder} cannot be written"):
            sync_folder(self._folder(folder))

    def create(self, name: str, data: bytes) -> bool:
        target = self._path(name)
        with explained(f"{self.root / name} cannot be written"), written_beside(target, data) as temporary:
            if not give_name(temporary, target, data):
                return False
            sync_folder(target.parent)
            return True

    def exists(self, name: str) -> bool:
        path = self._path(name)
        with explained(f"{self.root / name} cannot be read"):
            try:
                path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def names(self, folder: str) -> Iterator[str]:
        path = self._folder(folder)
        with explained(f"{self.root / folder} cannot be listed"):
            try:
                with os.scandir(path) as entries:
                    found = sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
            except FileNotFoundError:
                found = []
        yield from (name for name in found if not name.startswith("."))

    def times(self, folder: str) -> dict[str, float]:
        path = self._folder(folder)
        found: dict[str, float] = {}
        with explained(f"{self.root / folder} cannot be listed"):
            for name in self.names(folder):
                # One that is removed meanwhile is not there.
                with suppress(FileNotFoundError):
                    found[name] = (path / name).lstat().st_mtime
        return found

    def remove(self, name: str) -> None:
        path = self._path(name)
        with explained(f"{self.root / name} cannot be removed"), suppress(FileNotFoundError, NotADirectoryError):
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


def is_uri(reference: str) -> bool:
    """Returns whether a reference says all by itself; a file may be called `photo:1.jpg`."""
    return _URI.match(reference) is not None


def local_path(uri: str) -> Path | None:
    """Returns the path that a plain path or a `file:` URI names, or None for any other URI."""
    if not is_uri(uri):
        return Path(uri)
    if not uri.lower().startswith("file:"):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") and parts.path else None


def check_size(where: str, size: int, most: int | None) -> None:
    """Raises TooLargeError where a file has more bytes than may be held."""
    if most is not None and size > most:
        raise TooLargeError(f"{where} has {size / 1e6:,.0f} MB, and no askpix writes more than {most / 1e6:,.0f}")


def shortened(text: str) -> str:
    """Returns a text as an error quotes it: not longer than a line or two."""
    return text if len(text) <= 200 else f"{text[:197]}..."
