"""Reads what a user has: a folder of images, one image, or a list of them; here or in S3."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

from askpix.producer.columns import Columns
from askpix.producer.errors import InputError, StorageError
from askpix.producer.items import Item
from askpix.producer.lists.explained import explained
from askpix.producer.lists.form import ReadList
from askpix.producer.lists.forms import form_of, said_of_all
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.references import checked_base, complete
from askpix.producer.storage import local_path, shortened

__all__ = ["IMAGE_SUFFIXES", "Columns", "Input", "complete"]

IMAGE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)

_WANTED = "give a folder of images, an image, or a list of them"


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
        name = self.name.lower()
        found = None if is_folder else form_of(name)
        if self._columns and (found is None or not found[0].columns):
            raise InputError(f"{self.name} has no columns: leave out the options that name them")
        if found is not None:
            return partial(self._list, found[1])
        if not is_folder and _is_image(name):
            return self._image
        if self._path is None:
            return self._prefix
        if is_folder:
            return self._folder
        raise InputError(f"{self.name} is no image and no list that askpix reads: {said_of_all()}")

    def _list(self, read: ReadList) -> Iterator[Item]:
        with self.opened() as file, explained(self.name):
            yield from read(file, self._columns, self.name)

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
            raise InputError(f"there are no images under {self.name}: {_WANTED}; {said_of_all()}")

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
