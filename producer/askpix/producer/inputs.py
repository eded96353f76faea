"""Reads what a user has: a folder of images, one image, or a list of them; here or in S3."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

from askpix.producer.columns import Columns
from askpix.producer.errors import InputError, StorageError
from askpix.producer.items import Item
from askpix.producer.lists import Lines, read_objects, read_references, read_table
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.parquet_lists import read_parquet
from askpix.producer.references import checked_base, complete
from askpix.producer.storage import local_path, shortened

__all__ = ["IMAGE_SUFFIXES", "Columns", "Input", "complete"]

IMAGE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)

_WANTED = "give a folder of images, an image, or a list of them"
_FORMS = "lists end in .txt, .csv, .tsv, .jsonl (each with .gz or without) or .parquet"

_TEXT_FORMS: dict[str, Callable[[Lines, Columns], Iterator[Item]]] = {
    ".txt": lambda lines, _: read_references(lines),
    ".csv": partial(read_table, separator=","),
    ".tsv": partial(read_table, separator="\t"),
    ".jsonl": read_objects,
    ".ndjson": read_objects,
}
_TABLES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"))


class Input:
    """A source of items, which can be read more than once. However long it is, little of it is held.

    Args:
        source: a folder, an image or a list: a path, or a URI of S3. What is no image and no list in S3 is a
            folder of images there.
        base: what relative references count from: a local folder, `s3://bucket/prefix` or `http(s)://host/path`.
            Without it, the folder of the list.
        columns: the names of a table's columns, where they are not the usual ones.

    Raises:
        InputError: there is nothing at that path, or it is not of a form that askpix reads.
    """

    def __init__(self, source: str, *, base: str | None = None, columns: Columns | None = None) -> None:
        self._columns = columns or Columns()
        self._path = None if is_s3(source) else _existing(source)
        self.name = str(self._path) if self._path else _location(source).uri
        """The source, in one spelling for one place: so the same job from another folder is the same job."""

        # What ends in a slash is a folder, whatever it is called.
        self._read = self._reader(is_folder=self._path.is_dir() if self._path else source.endswith("/"))
        own = self.name if self._read in (self._folder, self._prefix) else _parent(self.name)
        self.base = own if base is None else checked_base(base)
        """What relative references count from: a local folder, or a URI of S3 or HTTP."""

        bases = [local_path(place) for place in (self.base, own)]
        self.local_root = next((path for path in bases if path is not None), None)
        """The local folder that the references are in: the base if it is one, else the list's own."""

        self.bucket = S3Location.parse(self.base).bucket if is_s3(self.base) else None
        """The bucket that relative references count from."""

    def __iter__(self) -> Iterator[Item]:
        yield from self._read()

    def _reader(self, *, is_folder: bool) -> Callable[[], Iterator[Item]]:
        stem, suffix = os.path.splitext(self.name.lower())  # noqa: PTH122 - S3 URIs too
        packed = suffix == ".gz"
        form = "" if is_folder else os.path.splitext(stem)[1] if packed else suffix  # noqa: PTH122
        if self._columns and form not in _TABLES:
            raise InputError(f"{self.name} has no columns: leave out the options that name them")
        if form in _TEXT_FORMS:
            return partial(self._text, _TEXT_FORMS[form], packed)
        if form == ".parquet" and not packed:
            return self._parquet
        if form in IMAGE_SUFFIXES and not packed:
            return self._image
        if self._path is None:
            return self._prefix
        if is_folder:
            return self._folder
        raise InputError(f"{self.name} is no image and no list that askpix reads: {_FORMS}")

    def _text(self, read: Callable[[Lines, Columns], Iterator[Item]], packed: bool) -> Iterator[Item]:
        with self._open() as file:
            content = gzip.GzipFile(fileobj=file) if packed else file
            text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
            lines = Lines(text, self.name)
            with explained(self.name, lines):
                yield from read(lines, self._columns)

    def _parquet(self) -> Iterator[Item]:
        with self._open() as file:
            yield from read_parquet(file, self._columns, self.name)

    def _image(self) -> Iterator[Item]:
        yield Item(image=self.name.rpartition("/")[2])

    def _folder(self) -> Iterator[Item]:
        with explained(self.name):
            for reference in _images_under(self.name, ""):
                yield Item(image=reference)

    def _prefix(self) -> Iterator[Item]:
        # boto3 takes half a second to import, and most lists are local.
        from askpix.producer.s3 import list_objects

        found = False
        for uri in list_objects(self.name):
            if _is_image(uri):
                found = True
                yield Item(image=uri)
        if not found:
            raise InputError(f"there are no images under {self.name}: {_WANTED}; {_FORMS}")

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Yields the list's file, unpacked; for reading.

        Raises:
            InputError: it cannot be read.
        """
        with self._open() as file:
            # A GzipFile is an IO[bytes] in all but its class.
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if self.name.lower().endswith(".gz") else file

    def _open(self) -> io.BufferedReader:
        if self._path is not None:
            with explained(self.name):
                return self._path.open("rb")
        from askpix.producer.s3 import open_object

        try:
            return open_object(self.name)
        except FileNotFoundError:
            raise InputError(f"{self.name} is not there: {_WANTED}") from None


def _existing(source: str) -> Path:
    path = local_path(source) if source else None
    if path is None:
        raise InputError(f"{shortened(source)!r} is no local path and not in S3: {_WANTED}")
    try:
        there = "\0" not in source and path.exists()
    except OSError as error:
        raise InputError(f"{shortened(source)!r} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not there:
        raise InputError(f"{shortened(source)!r} is not there: {_WANTED}")
    return Path(os.path.normpath(path.absolute()))


def _location(source: str) -> S3Location:
    try:
        return S3Location.parse(source)
    except StorageError as error:
        raise InputError(str(error)) from None


def _parent(name: str) -> str:
    folder = name.rpartition("/")[0]
    return folder or "/"


def _images_under(folder: str, inside: str) -> Iterator[str]:
    """Yields the images in a folder and in its folders, in order, relative to it. Links to folders are not followed."""
    with os.scandir(os.path.join(folder, inside)) as entries:  # noqa: PTH118
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        reference = f"{inside}{name}"
        if is_folder:
            yield from _images_under(folder, f"{reference}/")
        elif _is_image(name) and os.path.isfile(os.path.join(folder, reference)):  # noqa: PTH113, PTH118
            if not _is_text(folder + reference):
                raise InputError(f"{os.path.join(folder, reference)!r}: the file's name is not UTF-8; rename it")  # noqa: PTH118
            yield reference


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _is_text(text: str) -> bool:
    """Returns whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def explained(name: str, lines: Lines | None = None) -> Iterator[None]:
    """Says of errors in reading which file they are of, and about where."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is no whole gzip file: {str(error).lower()}; copy it again") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        where = f"{name}, after line {lines.number}," if lines is not None and lines.number else name
        raise InputError(
            f"{where} is not UTF-8 text: it holds the byte {error.object[error.start]:#04x}; save it as UTF-8"
        ) from None
