"""Images that a page names: read only where they were dropped, or are examples, and only so many bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.errors import InputError
from askpix.worker.images.fetch_rules import MAX_BYTES

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff"))
_MOST_EXAMPLES = 12

_ROOM_BYTES = 1_000_000_000
"""That all dropped images may take."""

_ROOM_FILES = 2_000

_MOST_COMING = 8
"""Images that are dropped at the same moment."""

_KEPT_SECONDS = 3600.0
"""That an image is there which was dropped."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was dropped, or is an example. It may be gone."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """An image's file."""

    picture: Picture
    data: bytes


def read_dropped(path: str | Path | None, roots: Iterable[Path]) -> Dropped:
    """Returns the file that a page names.

    Args:
        roots: folders in which it may be.

    Raises:
        InputError: there is none, or it is elsewhere, or too large.
    """
    if not path:
        raise InputError("drop an image first, or pick one of the examples")
    file = Path(path).resolve()
    if not any(file.is_relative_to(root.resolve()) for root in roots) or not file.is_file():
        raise InputError("the image is not there any more: drop it again")
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"the image has more than {MAX_BYTES // 1_000_000} MB")
    return Dropped(Picture(file, hashlib.sha256(data).hexdigest()), data)


class Uploads:
    """The folder of what was dropped.

    Args:
        seconds: after which it may be removed.
        room: bytes that all of it may take.
        files: that may be there.
    """

    def __init__(
        self, folder: Path, seconds: float = _KEPT_SECONDS, room: int = _ROOM_BYTES, files: int = _ROOM_FILES
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._room = room
        self._files = files
        self._coming: list[int] = []
        """Bytes of those that come now."""
        self._examples: set[Path] = set()

    def keep(self) -> None:
        """Says that what is there now is not to be removed: the examples."""
        self._examples = set(self._folder.rglob("*"))

    def is_ours(self, path: str) -> bool:
        """Returns whether a path is one of a file here."""
        try:
            return "://" not in path and Path(path).resolve().is_relative_to(self._folder.resolve())
        except (OSError, ValueError):
            return False

    @contextmanager
    def room(self, coming: int) -> Iterator[bool]:
        """Yields whether there is room for one more, which takes it from now on; for one thread alone.

        Args:
            coming: its bytes.
        """
        if len(self._coming) >= _MOST_COMING:
            yield False
            return
        self._coming.append(coming)
        try:
            yield self._fits()
        finally:
            self._coming.remove(coming)

    def _fits(self) -> bool:
        """Removes what has been there for long; returns whether there is room for what is there, and what comes."""
        files, total, now = len(self._coming), sum(self._coming), time.time()
        for path in self._folder.rglob("*"):
            with suppress(OSError):  # somebody else has removed it, or put something in
                told = path.lstat()
                if path in self._examples:
                    continue
                is_old = now - told.st_mtime > self._seconds
                if path.is_dir():
                    if is_old:
                        path.rmdir()
                elif is_old:
                    path.unlink()
                else:
                    files, total = files + 1, total + told.st_size
        return total <= self._room and files <= self._files


def bundled_examples() -> Path:
    """Returns the folder of the pictures that come with askpix, of which the demo model knows more."""
    return Path(__file__).parent / "examples"


def example_files(folder: Path) -> list[Path]:
    """Returns a folder's first images, by name; by their endings, so they need not be any.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not files:
        raise InputError(f"{folder} holds no images whose names end in {', '.join(sorted(SUFFIXES))}")
    return files[:_MOST_EXAMPLES]
