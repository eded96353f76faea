"""Writes a job's results to this machine, in the form that a name or a word asks for."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from askpix.producer.errors import InputError
from askpix.producer.export.form import Exported, Source, WriteFile
from askpix.producer.export.forms import form_for, is_name, said_of_all
from askpix.producer.export.merge import merge
from askpix.producer.export.originals import ReadOriginals
from askpix.producer.export.own_lists import open_list
from askpix.producer.export.rows import write_lines
from askpix.producer.export.since import Changes
from askpix.producer.export.wishes import Wishes, source_of
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import PART_SIZE
from askpix.producer.locations import is_s3
from askpix.producer.own_files import check_outside
from askpix.producer.storage import local_path, shortened
from askpix.producer.whole_file import whole_file, write_errors
from askpix.producer.words import counted

_PLACES = "--files-root, --allow-net and --allow-bucket are for exports that hold the images"


def export(
    folder: JobFolder,
    target: str,
    *,
    force: bool = False,
    wishes: Wishes | None = None,
    reader: Callable[[], ReadOriginals] | None = None,
) -> Exported:
    """Writes the newest results of a job folder to a place on this machine, in the form that its name says.

    A folder is a name that ends in a slash or has no suffix, or a folder that is there. A file is replaced in one
    atomic step. Memory does not depend on the number of rows.

    Args:
        force: replace what is there.
        wishes: in another form, or of other rows.
        reader: is called for what reads images again, by the forms that hold them.

    Raises:
        InputError: there is no such form, or this is no place for it.
        JobError: a result file is missing or damaged.
        StorageError: the target exists already, or cannot be written.
    """
    wishes = wishes or Wishes()
    path = _local(target)
    if wishes.columns and wishes.merge is None:
        raise InputError("--image-column, --id-column and --group-column tell of the list of --merge: leave them out")
    if wishes.merge is not None:
        return _merge(folder, path, wishes, wishes.merge, force=force)
    is_folder = target.endswith("/") or _is_folder(path) or (not path.suffix and not is_name(path.name))
    form, ending = form_for(path.name, wishes.form, is_folder=is_folder, groups=wishes.groups)
    if wishes.excel and (ending is None or not ending.startswith((".csv", ".tsv"))):
        raise InputError("--excel marks tables: give --to a name that ends in .csv or .tsv, or leave it out")
    if wishes.places and not form.images:
        raise InputError(f"{_PLACES}, and {form.name} has none: leave them out")
    if form.folder is not None:
        if ending is None:
            _check_folder(path)
        check_outside(path, folder)
        with write_errors(path):
            source, found = source_of(folder, wishes, reader() if form.images and reader is not None else None)
            return _noted(form.folder(source, path, force=force), found, source)
    assert ending is not None
    check_outside(path, folder)
    write = form.files[ending.removesuffix(".gz")]
    with whole_file(path, force=force) as file:
        source, found = source_of(folder, wishes, None)
        items = _packed(write, source, file) if ending.endswith(".gz") else write(source, file)
    return _noted(Exported(items=items), found, source)


def export_lines(folder: JobFolder, file: IO[bytes]) -> Exported:
    """Writes the newest results of a job folder to an open file, a line of JSON per item.

    Raises:
        JobError: a result file is missing or damaged.
        OSError: the file cannot be written.
    """
    source, found = source_of(folder, Wishes(), None)
    items = write_lines(source, file)
    file.flush()
    return _noted(Exported(items=items), found, source)


def _merge(folder: JobFolder, path: Path, wishes: Wishes, merged: str, *, force: bool) -> Exported:
    """Writes the user's own list again, with the answers."""
    if wishes.since is not None:
        raise InputError("a merge gives all rows of the list back: leave out --since")
    if wishes.places:
        raise InputError(f"{_PLACES}, and a merge has none: leave them out")
    if wishes.excel:
        raise InputError("a merged list is marked as UTF-8 where the list itself is: leave out --excel")
    if wishes.form not in (None, "wide"):
        raise InputError(f"a merge adds the columns of the wide form to the list: leave out --form {wishes.form}")
    own, ending = open_list(merged, wishes.columns)
    name = path.name.lower()
    if not name.endswith((ending, f"{ending}.gz")) or (ending == ".parquet" and name.endswith(".gz")):
        raise InputError(f"a list comes back in its own form: give --to a name that ends in {ending}")
    check_outside(path, folder)
    with whole_file(path, force=force) as file:
        source, _ = source_of(folder, wishes, None)
        with _unpacked(file, is_packed=name.endswith(".gz")) as plain:
            found = merge(source, own, PART_SIZE if source.spec is None else source.spec.part_size, plain)
    notes = [f"{counted(found.without, 'row')} without a result"] if found.without else []
    noun = "group or item" if source.by_group else "result"
    notes += [f"{counted(found.left, noun)} of no row of the list"] if found.left else []
    notes += source.corrected.notes()
    return Exported(items=found.rows, noun="row", of=None, notes=tuple(notes))


def _noted(exported: Exported, found: Changes | None, source: Source) -> Exported:
    """Returns what an export came to, with what is to be told of groups, of changes and of corrections."""
    notes = list(exported.notes)
    of = None if source.by_group else exported.items
    if found is not None:
        of = None if of is None else of + found.same
        notes.append(f"{found.new} new, {found.changed} changed; {found.same} as before left out")
        notes += [f"{found.gone} of before {'is' if found.gone == 1 else 'are'} gone"] if found.gone else []
    notes += source.corrected.notes()
    noun = "row" if source.by_group else exported.noun
    return replace(exported, of=of, noun=noun, notes=tuple(notes))


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
    with _unpacked(file, is_packed=True) as plain:
        return write(source, plain)


@contextmanager
def _unpacked(file: IO[bytes], *, is_packed: bool) -> Iterator[IO[bytes]]:
    """Yields what is written to, so that a file is packed, or is not."""
    if not is_packed:
        yield file
        return
    # Without a name and a time in it: the same results give the same file.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        yield packed  # type: ignore[misc]  # it is one in all but its class


def _check_folder(path: Path) -> None:
    if os.path.lexists(path) and not _is_folder(path):
        raise InputError(f"{shortened(str(path))!r} is a file, where a folder is needed: {said_of_all()}")
    # A file job.json alone may be that of an image `job.jpg`.
    if os.path.lexists(path / "job.json") and any(
        any(path.glob(f"{inside}/part-*.parquet")) for inside in ("input", "results")
    ):
        raise InputError(f"{shortened(str(path))!r} is a job folder: choose another one")


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - of a name that is too long, Path.is_dir says so by an exception
