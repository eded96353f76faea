"""A file for each answered image: beside it, or in a folder like the images'."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from askpix.producer.errors import InputError, StorageError
from askpix.producer.export.form import Exported, Source
from askpix.producer.export.named_files import NamedFiles
from askpix.producer.export.names import sidecar_path
from askpix.producer.job_folder import JobFolder
from askpix.producer.own_files import FOLDERS
from askpix.producer.results import Line, is_answered
from askpix.producer.storage import local_path, shortened

_MOVED_AT_ONCE = 10_000


def write_sidecars(
    source: Source, target: Path, *, force: bool, suffix: str, content: Callable[[Line], bytes], noun: str
) -> Exported:
    """Writes a file for each answered item into a folder, which may hold other files, such as the images.

    All files are written aside first. So when a result file is damaged, the disk is full, or a file is in the
    way, nothing has changed; then they are moved to their places one by one.

    Args:
        suffix: what the files end in.
        content: what the file of an item holds.
        noun: what such a file is called.

    Raises:
        JobError: a result file is missing or damaged.
        StorageError: a file that is there would be replaced, without `force`, or what is there leads elsewhere.
        OSError: the folder cannot be written.
    """
    with staged(target, source.results.folder, force=force) as staging:
        return _write_all(source, staging, suffix, content, noun)


@contextmanager
def staged(target: Path, job: JobFolder, *, force: bool) -> Iterator[Path]:
    """Yields a folder for files that are moved into another once all are there; when that fails, nothing has changed.

    Args:
        job: among whose own files none of them may come to lie.

    Raises:
        InputError: one would.
        StorageError: a file that is there would be replaced, without `force`, or what is there leads elsewhere.
        OSError: the folder cannot be written.
    """
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target, prefix=".partial-"))
    try:
        yield staging
        _check_job(staging, target, job)
        _check_places(staging, target, force=force)
        _move(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # It holds files, unless all was in vain.
                target.rmdir()


def _write_all(source: Source, folder: Path, suffix: str, content: Callable[[Line], bytes], noun: str) -> Exported:
    items = files = 0
    collided: list[int] = []
    named = NamedFiles(folder)
    for items, line in enumerate(source.lines(), 1):
        if is_answered(line):
            files += 1
            if named.write(_place(line, suffix), suffix, content(line)) is None:
                collided.append(items)
    # Last, so that a number never takes the name of an image that is called so: `mug-2.jpg`.
    for line in _picked(source, collided):
        named.write_numbered(_place(line, suffix), suffix, content(line))
    return Exported(items=items, files=files, noun=noun, without=items - files, renamed=len(collided))


def _picked(source: Source, numbers: list[int]) -> Iterator[Line]:
    """Yields the lines of those numbers, which are sorted."""
    wanted = iter(numbers)
    number = next(wanted, None)
    if number is not None:
        for at, line in enumerate(source.lines(), 1):
            if at == number:
                yield line
                number = next(wanted, None)


def _place(line: Line, suffix: str) -> tuple[str, ...]:
    return sidecar_path(line.id or "", line.image, suffix)


def _check_job(staged: Path, target: Path, job: JobFolder) -> None:
    """Raises InputError where a file would lie among a job's own: a list says what folders are called."""
    root, folder = local_path(job.uri), target.resolve()
    if root is None or not root.resolve().is_relative_to(folder):
        return
    inside = root.resolve().relative_to(folder)
    for name in FOLDERS:
        if os.path.lexists(staged / inside / name):
            place = shortened(str(target / inside / name))
            raise InputError(f"files of this list would lie in {place}, among the job's own: choose another folder")


def _check_places(staged: Path, target: Path, *, force: bool) -> None:
    """Raises StorageError where a file cannot go to its place."""
    with os.scandir(staged) as entries:
        for entry in entries:
            place = target / entry.name
            if not os.path.lexists(place):
                continue
            if not entry.is_dir():
                if place.is_dir():
                    raise StorageError(f"{place} is a folder, where a file belongs: export into another folder")
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
