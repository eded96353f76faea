"""Images that a page names: read only where they were dropped, or are examples, and only so many bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.errors import InputError
from askpix.worker.images.manners import MAX_BYTES

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff"))
_MOST_EXAMPLES = 12


@dataclass(frozen=True, slots=True)
class Dropped:
    """An image's file."""

    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def read_dropped(path: str | None, roots: Iterable[Path]) -> Dropped:
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
    return Dropped(data)


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
