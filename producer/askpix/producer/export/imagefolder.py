"""Images and a line of metadata for each, as Hugging Face's `imagefolder` reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from askpix.producer.errors import InputError
from askpix.producer.export.columns import wide_columns
from askpix.producer.export.form import Exported, Form, Source
from askpix.producer.export.metadata import Metadata
from askpix.producer.export.named_files import NamedFiles
from askpix.producer.export.names import sidecar_path
from askpix.producer.export.originals import Answered, Missed, suffix_of, with_originals
from askpix.producer.export.sidecars import staged
from askpix.producer.results import Line
from askpix.producer.storage import local_path

METADATA = "metadata.jsonl"

_HEAD = ("id", "group", "reference")
_TAKEN = frozenset(("file_name", "image"))
"""The image's file, and what the reader makes of it."""

_OF_FILES = ("file_name", "file_names")
"""Columns that end so are taken for names of more images."""


def write_folder(source: Source, target: Path, *, force: bool) -> Exported:
    """Writes each answered image into a folder, and `metadata.jsonl` with its answers.

    An image that lies in the folder already stays where it is. Nothing has changed until all is written aside.

    Raises:
        InputError: images cannot be read here, or there are too many columns.
        JobError: a result file is missing or damaged.
        StorageError: a file that is there would be replaced, without `force`, or what is there leads elsewhere.
        OSError: the folder cannot be written.
    """
    if source.originals is None:
        raise InputError("this form holds the images, and nothing was given that reads them")
    columns = wide_columns(source, head=_HEAD, errors=(), reserved=_TAKEN)
    names = _plain_names(columns.schema().names)
    counts = Answered(source.lines())
    missed = Missed()
    files = renamed = 0
    with staged(target, source.results.folder, force=force) as staging:
        metadata = Metadata(staging / METADATA)
        named = NamedFiles(staging)
        with (staging / METADATA).open("wb") as file:
            for line, data in with_originals(counts, source.originals, missed):
                name = _in_place(line, target)
                if name is None:
                    name, is_renamed = _written(line, data, named)
                    renamed += is_renamed
                files += 1
                values = dict(zip(names, columns.values(line), strict=True))
                metadata.write(file, {"file_name": name, **values})
        metadata.arrange()
    return Exported(
        items=counts.items,
        files=files,
        noun="image",
        without=counts.without,
        renamed=renamed,
        notes=missed.notes(),
    )


def _plain_names(names: Sequence[str]) -> list[str]:
    """Returns names of columns of which none is taken for a column of files."""
    found: dict[str, None] = {}
    for name in names:
        while name.endswith(_OF_FILES) or name in found:
            name += "_"
        found[name] = None
    return list(found)


def _in_place(line: Line, target: Path) -> str | None:
    """Returns what an image in the folder itself is called from there; None where it is elsewhere."""
    path = local_path(line.image)
    if path is None or not path.is_absolute():
        return None
    real, folder = os.path.realpath(path), os.path.realpath(target)
    return Path(real).relative_to(folder).as_posix() if Path(real).is_relative_to(folder) else None


def _written(line: Line, data: bytes, named: NamedFiles) -> tuple[str, bool]:
    """Writes an image under a name of its own; returns that, and whether it has a number for it."""
    suffix = suffix_of(data)
    place = sidecar_path(line.id or "", line.image, suffix)
    name = named.write(place, suffix, data)
    return (name, False) if name is not None else (named.write_numbered(place, suffix, data), True)


FORM = Form(name="imagefolder", said="images and metadata.jsonl, for Hugging Face", folder=write_folder, images=True)
