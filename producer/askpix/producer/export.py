"""Writes a job's results for people and for other programs: one file, or a text file for each image."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from askpix.producer.errors import InputError, StorageError
from askpix.producer.export_tables import write_csv, write_lines, write_parquet
from askpix.producer.job import JobFolder
from askpix.producer.locations import is_s3
from askpix.producer.results import Results
from askpix.producer.sidecars import Sidecars, write_sidecars
from askpix.producer.storage import local_path, shortened

_Write = Callable[[Results, IO[bytes]], int]

_FORMS: dict[str, _Write] = {
    ".csv": write_csv,
    ".jsonl": write_lines,
    ".ndjson": write_lines,
    ".parquet": write_parquet,
}
_PACKED = frozenset((".csv", ".jsonl", ".ndjson"))
_FORMS_SAID = "names of files end in .csv, .jsonl (both also with .gz) or .parquet, names of folders in /"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What an export came to."""

    items: int
    sidecars: Sidecars | None = None
    """Where a folder of text files was written."""


def export(folder: JobFolder, target: str, *, force: bool = False) -> Exported:
    """Writes the newest results of a job folder to a place on this machine, in the form that its name says.

    `.parquet` has the rows as they are. `.jsonl` and `.ndjson` have a line per item, with all that is known of it.
    `.csv` has a line per answer (or per failed item), with the caller's own columns at the end. A folder (a name
    that ends in a slash or has no suffix, or one that is there) gets a text file for each answered image. A file is
    replaced in one atomic step. Memory does not depend on the number of rows.

    Args:
        force: replace what is there.

    Raises:
        InputError: there is no such form, or this is no place for it.
        JobError: a result file is missing or damaged.
        StorageError: the target exists already, or cannot be written.
    """
    path = _local(target)
    form, is_packed = _form(path.name)
    if target.endswith("/") or _is_folder(path) or (not path.suffix and form is None):
        _check_folder(path, folder)
        with _explained(path):
            sidecars = write_sidecars(Results.of(folder), path, force=force)
        return Exported(items=sidecars.items, sidecars=sidecars)
    if form is None:
        raise InputError(f"askpix cannot export to {shortened(path.name)!r}: {_FORMS_SAID}")
    _check_outside_results(path, folder)
    with _whole_file(path, force=force) as file:
        items = _write_packed(form, Results.of(folder), file) if is_packed else form(Results.of(folder), file)
    return Exported(items=items)


def export_lines(folder: JobFolder, file: IO[bytes]) -> Exported:
    """Writes the newest results of a job folder to an open file, a line of JSON per item.

    Raises:
        JobError: a result file is missing or damaged.
        OSError: the file cannot be written.
    """
    items = write_lines(Results.of(folder), file)
    file.flush()
    return Exported(items=items)


def _local(target: str) -> Path:
    if is_s3(target):
        raise InputError(
            f"askpix exports to this machine, not to {shortened(target)!r}: export to a file here and copy that to S3"
        )
    path = local_path(target) if target and "\0" not in target else None
    if path is None:
        raise InputError(f"{shortened(target)!r} is no path of this machine: {_FORMS_SAID}")
    return path


def _form(name: str) -> tuple[_Write | None, bool]:
    """Returns what writes the form that a name ends in, and whether it is to be packed."""
    name = name.lower()
    for ending, write in _FORMS.items():
        if name.endswith(ending):
            return write, False
        if ending in _PACKED and name.endswith(f"{ending}.gz"):
            return write, True
    return None, False


def _write_packed(write: _Write, results: Results, file: IO[bytes]) -> int:
    # Without a name and a time in it: the same results give the same file.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        return write(results, packed)  # type: ignore[arg-type]  # it is one in all but its class


def _check_folder(path: Path, folder: JobFolder) -> None:
    if os.path.lexists(path) and not _is_folder(path):
        raise InputError(f"{shortened(str(path))!r} is a file, where text files need a folder: {_FORMS_SAID}")
    if os.path.lexists(path / "job.json"):
        raise InputError(f"{shortened(str(path))!r} is a job folder: text files need another one")
    _check_outside_results(path / "any", folder)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - of a name that is too long, Path.is_dir says so by an exception


def _check_outside_results(path: Path, folder: JobFolder) -> None:
    root = local_path(folder.uri)
    if root is not None and path.resolve().is_relative_to(root.resolve() / "results"):
        raise InputError(f"{shortened(str(path))!r} is among the job's own results: choose another folder")


@contextmanager
def _whole_file(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Yields a file that takes the place of `path` at the end; when that fails, what was there stays."""
    _check_free(path, force=force)
    partial = path.with_name(f".partial-{os.getpid()}{path.suffix}")
    with _explained(path):
        try:
            with partial.open("wb") as file:
                yield file
            _check_free(path, force=force)
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _check_free(path: Path, *, force: bool) -> None:
    if not force and os.path.lexists(path):
        raise StorageError(f"{path} exists already: choose another name, or --force")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(f"{path} cannot be written: the disk is full; make room and export again") from error
        raise StorageError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
