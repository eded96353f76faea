"""Results as training sets want them: beside each image, or in a folder like the images', a text file."""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from askpix.producer.errors import StorageError
from askpix.producer.results import Results
from askpix.producer.rows import Row, Status
from askpix.producer.sidecar_names import SUFFIX, file_name, sidecar_path

_MOVED_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecars:
    """What became of the items."""

    items: int
    files: int
    without: int
    """Items that failed, or have no answer: they get no file."""

    renamed: int
    """Files whose name another image's had taken: they end in -2, -3 and so on."""


def write_sidecars(results: Results, target: Path, *, force: bool) -> Sidecars:
    """Writes a text file for each answered item into a folder, which may hold other files, such as the images.

    All files are written aside first. So when a result file is damaged, the disk is full, or a file is in the
    way, nothing has changed; then they are moved to their places one by one.

    Raises:
        JobError: a result file is missing or damaged.
        StorageError: a file that is there would be replaced, without `force`, or what is there leads elsewhere.
        OSError: the folder cannot be written.
    """
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target, prefix=".partial-"))
    try:
        written = _write_all(results, staging)
        _check_places(staging, target, force=force)
        _move(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # It holds files, unless all was in vain.
                target.rmdir()
    return written


def sidecar_text(row: Row) -> str:
    """Returns the caption, or the text of the only answer; of several answers, a line each with its question."""
    if len(row.answers) == 1:
        return _line(row.answers[0].text)
    lines = ((_line(answer.name), _line(answer.text)) for answer in row.answers)
    return "\n".join(f"{name}{' ' if name.endswith(('?', ':')) else ': '}{text}" for name, text in lines)


def _line(text: str) -> str:
    spaced = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text or "")
    return " ".join(spaced.split())


def _write_all(results: Results, folder: Path) -> Sidecars:
    items = files = 0
    collided: list[int] = []
    for items, row in enumerate(results.rows(), 1):
        if _is_answered(row):
            files += 1
            if not _write(row, folder):
                collided.append(items)
    # Last, so that a number never takes the name of an image that is called so: `mug-2.jpg`.
    numbers: dict[tuple[str, ...], int] = {}
    for row in _picked(results, collided):
        place = sidecar_path(row.id, row.image)
        number = numbers.get(place, 1) + 1
        while not _write(row, folder, f"-{number}"):
            number += 1
        numbers[place] = number
    return Sidecars(items=items, files=files, without=items - files, renamed=len(collided))


def _is_answered(row: Row) -> bool:
    return row.status is Status.OK and bool(row.answers)


def _picked(results: Results, numbers: list[int]) -> Iterator[Row]:
    """Yields the rows of those numbers, which are sorted."""
    wanted = iter(numbers)
    number = next(wanted, None)
    if number is not None:
        for at, row in enumerate(results.rows(), 1):
            if at == number:
                yield row
                number = next(wanted, None)


def _write(row: Row, folder: Path, ending: str = "") -> bool:
    """Writes a row's file unless there is one of its name; returns whether it did.

    The file system says whether two names are one: not all tell capitals apart.
    """
    *folders, stem = sidecar_path(row.id, row.image)
    parent = folder.joinpath(*folders)
    parent.mkdir(parents=True, exist_ok=True)
    try:
        with (parent / f"{file_name(stem, ending)}{SUFFIX}").open("x", encoding="utf-8", errors="replace") as file:
            file.write(f"{sidecar_text(row)}\n")
    except FileExistsError:
        return False
    return True


def _check_places(staged: Path, target: Path, *, force: bool) -> None:
    """Raises StorageError where a file cannot go to its place."""
    with os.scandir(staged) as entries:
        for entry in entries:
            place = target / entry.name
            if not os.path.lexists(place):
                continue
            if not entry.is_dir():
                if place.is_dir():
                    raise StorageError(f"{place} is a folder, where a text file belongs: export into another folder")
                if not force:
                    raise StorageError(f"{place} exists already: export into another folder, or --force")
            elif place.is_symlink() or not place.is_dir():
                # A list says what folders are called; it must not lead out of the one that was named.
                raise StorageError(f"{place} is a link or a file, where a folder belongs: export into another folder")
            else:
                _check_places(Path(entry.path), place, force=force)


def _move(staged: Path, target: Path) -> None:
    # Again from the start each time: what a listing does while its folder changes is up to the file system.
    while True:
        with os.scandir(staged) as entries:
            batch = list(islice(entries, _MOVED_AT_ONCE))
        if not batch:
            return
        for entry in batch:
            place = target / entry.name
            if entry.is_dir() and place.is_dir():
                _move(Path(entry.path), place)
                Path(entry.path).rmdir()
            else:
                Path(entry.path).replace(place)
