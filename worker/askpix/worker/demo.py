"""The demo's pictures and lists, which come with askpix as the demo model does: a drawn shop catalogue."""

from __future__ import annotations

import os
from pathlib import Path

from askpix.producer.errors import InputError

PICTURES = Path(__file__).parent / "demo_images"
"""48 pictures; what is asked of them in `questions.jsonl`, what is right in `truth.jsonl`, and `catalogue.csv`."""


def copy_pictures(folder: Path) -> list[Path]:
    """Writes the pictures and lists into a folder; what is there already stays as it is.

    Returns:
        All files, by name, of which each is as it comes with askpix.

    Raises:
        InputError: a file of that name is another one, or nothing can be written there.
    """
    contents = {folder / source.name: source.read_bytes() for source in sorted(PICTURES.iterdir())}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = {file: content for file, content in contents.items() if not _is_there(file, content)}
        for file, content in missing.items():
            _write(file, content)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{folder} cannot hold the demo's pictures: {reason}") from None
    return list(contents)


def _is_there(file: Path, content: bytes) -> bool:
    if not os.path.lexists(file):
        return False
    if file.is_file() and file.read_bytes() == content:
        return True
    raise InputError(f"{file} is there, and is not the demo's: name another folder")


def _write(file: Path, content: bytes) -> None:
    # Whole or not at all: half a picture would stand in the way of the next time.
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
