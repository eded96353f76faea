"""Tar files of images, each with its answers, as WebDataset reads them."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from askpix.producer.errors import InputError
from askpix.producer.export.columns import wide_columns
from askpix.producer.export.form import Exported, Form, Source
from askpix.producer.export.originals import Answered, Missed, suffix_of, with_originals
from askpix.producer.export.rows import json_line
from askpix.producer.export.text import sidecar_text
from askpix.producer.whole_file import check_free

SHARD_SAMPLES = 10_000
SHARD_BYTES = 500_000_000
"""After which the next shard begins."""


def write_shards(source: Source, target: Path, *, force: bool) -> Exported:
    """Writes `NAME-000000.tar` and so on for a target `NAME.tar`; each sample is an image, `.json` and `.txt`.

    Samples are called by numbers: the job's ids may hold what WebDataset takes for the end of a name. Nothing has
    changed until all is written aside.

    Raises:
        InputError: images cannot be read here, or there are too many columns.
        JobError: a result file is missing or damaged.
        StorageError: there are shards of that name, without `force`.
        OSError: they cannot be written.
    """
    if source.originals is None:
        raise InputError("this form holds the images, and nothing was given that reads them")
    _check_shards_free(target, force=force)
    columns = wide_columns(source)
    names = columns.schema().names
    counts = Answered(source.lines())
    missed = Missed()
    files = 0
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    try:
        with _Shards(staging, target.name.rpartition(".")[0]) as shards:
            for line, data in with_originals(counts, source.originals, missed):
                record = json_line(dict(zip(names, columns.values(line), strict=True)))
                text = f"{sidecar_text(line.answers)}\n".encode(errors="replace")
                shards.add(f"{files:09d}", {suffix_of(data): data, ".json": record, ".txt": text})
                files += 1
        _check_shards_free(target, force=force)
        for path in _there(target):
            path.unlink()
        for path in sorted(staging.iterdir()):
            path.replace(target.parent / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shards_said = f"{shards.number} tar file{'' if shards.number == 1 else 's'}"
    return Exported(
        items=counts.items,
        files=files,
        noun="image",
        without=counts.without,
        notes=(shards_said, *missed.notes()),
    )


class _Shards:
    """Writes samples into one tar file after the other."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder = folder
        self._stem = stem
        self._stack = ExitStack()
        self._tar: tarfile.TarFile | None = None
        self._samples = self._bytes = 0
        self.number = 0
        """Of files so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, key: str, parts: dict[str, bytes]) -> None:
        """Adds a sample, by what its files end in."""
        if self._tar is None or self._samples == SHARD_SAMPLES or self._bytes >= SHARD_BYTES:
            self._stack.close()
            path = self._folder / f"{self._stem}-{self.number:06d}.tar"
            self._tar = self._stack.enter_context(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))  # noqa: SIM115
            self.number += 1
            self._samples = self._bytes = 0
        for suffix, data in parts.items():
            # Without a time in it: the same results give the same file.
            info = tarfile.TarInfo(f"{key}{suffix}")
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))
            self._bytes += len(data)
        self._samples += 1


def _there(target: Path) -> Iterator[Path]:
    """Yields the shards of that name that are there."""
    name = re.compile(re.escape(target.name.rpartition(".")[0]) + r"-[0-9]{6}\.tar")
    with os.scandir(target.parent) as entries:
        found = [entry.name for entry in entries if name.fullmatch(entry.name)]
    yield from (target.parent / each for each in found)


def _check_shards_free(target: Path, *, force: bool) -> None:
    for path in _there(target):
        check_free(path, force=force)


FORM = Form(
    name="webdataset", said="tar files of images with their answers", folder=write_shards, shards=".tar", images=True
)
