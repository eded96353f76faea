"""Writes a job's results to this machine, in the form that a name or a word asks for."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from askpix.producer.errors import InputError, StorageError
from askpix.producer.export.form import Exported, Source, WriteFile
from askpix.producer.export.forms import form_for, is_name, said_of_all
from askpix.producer.export.originals import ReadOriginals
from askpix.producer.export.rows import write_lines
from askpix.producer.job import JobFolder
from askpix.producer.locations import is_s3
from askpix.producer.results import Results
from askpix.producer.storage import local_path, shortened


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """How an export is to be, beyond what its name says."""

    form: str | None = None
    """The name of a form; None where the name of the file says all."""

    excel: bool = False
    """Begin tables with the mark by which Excel knows UTF-8."""


def export(
    folder: JobFolder,
    target: str,
    *,
    force: bool = False,
    wishes: Wishes | None = None,
    originals: ReadOriginals | None = None,
) -> Exported:
    """Writes the newest results of a job folder to a place on this machine, in the form that its name says.

    A folder is a name that ends in a slash or has no suffix, or a folder that is there. A file is replaced in one
    atomic step. Memory does not depend on the number of rows.

    Args:
        force: replace what is there.
        wishes: in another form, or of other rows.
        originals: what reads images again, for the forms that hold them.

    Raises:
        InputError: there is no such form, or this is no place for it.
        JobError: a result file is missing or damaged.
        StorageError: the target exists already, or cannot be written.
    """
    wishes = wishes or Wishes()
    path = _local(target)
    is_folder = target.endswith("/") or _is_folder(path) or (not path.suffix and not is_name(path.name))
    form, ending = form_for(path.name, wishes.form, is_folder=is_folder)
    if form.folder is not None:
        _check_folder(path, folder) if ending is None else _check_outside_results(path, folder)
        with _explained(path):
            return form.folder(_source(folder, wishes, originals), path, force=force)
    assert ending is not None
    _check_outside_results(path, folder)
    write = form.files[ending.removesuffix(".gz")]
    with _whole_file(path, force=force) as file:
        source = _source(folder, wishes, originals)
        return Exported(items=_packed(write, source, file) if ending.endswith(".gz") else write(source, file))


def export_lines(folder: JobFolder, file: IO[bytes]) -> Exported:
    """Writes the newest results of a job folder to an open file, a line of JSON per item.

    Raises:
        JobError: a result file is missing or damaged.
        OSError: the file cannot be written.
    """
    items = write_lines(_source(folder, Wishes(), None), file)
    file.flush()
    return Exported(items=items)


def _source(folder: JobFolder, wishes: Wishes, originals: ReadOriginals | None) -> Source:
    spec = folder.spec()
    results = Results.of(folder)
    return Source(
        results=results,
        lines=results.lines,
        questions=None if spec is None else spec.questions,
        excel=wishes.excel,
        originals=originals,
    )


def _local(target: str) -> Path:
    if is_s3(target):
        raise InputError(
            f"askpix exports to this machine, not to {shortened(target)!r}: export to a file here and copy that to S3"
        )
    path = local_path(target) if target and "\0" not in target else None
    if path is None:
        raise InputError(f"{shortened(target)!r} is no path of this machine: {said_of_all()}")
    return path


def _packed(write: WriteFile, source: Source, file: IO[bytes]) -> int:
    # Without a name and a time in it: the same results give the same file.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        return write(source, packed)  # type: ignore[arg-type]  # it is one in all but its class


def _check_folder(path: Path, folder: JobFolder) -> None:
    if os.path.lexists(path) and not _is_folder(path):
        raise InputError(f"{shortened(str(path))!r} is a file, where a folder is needed: {said_of_all()}")
    if os.path.lexists(path / "job.json"):
        raise InputError(f"{shortened(str(path))!r} is a job folder: choose another one")
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
