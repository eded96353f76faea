"""Where a gallery is written: one file, or a folder of files of which the page takes those that it needs."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from askpix.producer.errors import InputError
from askpix.producer.report.embedding import called, embedded
from askpix.producer.report.page import is_page, page
from askpix.producer.report.pictures import Thumbnail
from askpix.producer.whole_file import check_free, write_errors

_HEAD_BYTES = 4_096

_FILES = frozenset(("index.html", "data", "thumbs"))
"""What a gallery's folder holds."""


class Form(ABC):
    """A gallery that is being written."""

    def has(self, key: str) -> bool:  # noqa: ARG002
        """Returns whether the thumbnail of that key is there already, and takes it over."""
        return False

    @abstractmethod
    def thumbnail(self, thumbnail: Thumbnail) -> None:
        """Adds a thumbnail that was made."""

    @abstractmethod
    def block(self, name: str, value: Any) -> None:
        """Adds what the page asks for by that name."""


class FileForm(Form):
    """All in one page."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def thumbnail(self, thumbnail: Thumbnail) -> None:
        # In a script that is none: nothing of it is read before the page wants it.
        self._file.write(f'<script type="text/plain" id="picture-{thumbnail.picture.key}">')
        self._file.write(f"data:image/webp;base64,{base64.b64encode(thumbnail.data or b'').decode()}</script>\n")

    def block(self, name: str, value: Any) -> None:
        self._file.write(f'<script type="application/json" id="data-{name}">{embedded(value)}</script>\n')


class FolderForm(Form):
    """`index.html`, `data/` and `thumbs/`.

    Args:
        before: a gallery that this one takes the place of, whose thumbnails it takes over.
    """

    def __init__(self, folder: Path, before: Path | None) -> None:
        self._folder = folder
        self._before = before
        self._seen = hashlib.sha256()
        (folder / "data").mkdir()

    def has(self, key: str) -> bool:
        if self._before is None:
            return False
        name = _thumbnail_name(key)
        source, target = self._before / name, self._folder / name
        # A link could lead to what is not to be passed on.
        if source.is_symlink() or not source.is_file():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return True

    def thumbnail(self, thumbnail: Thumbnail) -> None:
        path = self._folder / _thumbnail_name(thumbnail.picture.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(thumbnail.data or b"")

    def block(self, name: str, value: Any) -> None:
        script = called(name, value).encode()
        self._seen.update(script)
        (self._folder / "data" / f"{name}.js").write_bytes(script)

    def end(self, title: str) -> None:
        made = page(title, in_folder=True, build=self._seen.hexdigest()[:16])
        (self._folder / "index.html").write_text(made.head + made.tail, encoding="utf-8")


@contextmanager
def file_form(path: Path, title: str, *, force: bool) -> Iterator[FileForm]:
    """Yields a page that takes the place of `path` at the end; when that fails, what was there stays.

    Raises:
        StorageError: there is a file already, or none can be written.
    """
    partial = path.with_name(f".partial-{secrets.token_hex(8)}.html")
    made = page(title, in_folder=False)
    with write_errors(path):
        _check_replaceable(path, force=force)
        with partial.open("x", encoding="utf-8") as file, _removed(partial):
            file.write(made.head)
            yield FileForm(file)
            file.write(made.tail)
            file.close()
            _check_replaceable(path, force=force)
            partial.replace(path)


@contextmanager
def folder_form(path: Path, title: str, *, force: bool) -> Iterator[FolderForm]:
    """Yields a folder that takes the place of `path` at the end; when that fails, what was there stays.

    Raises:
        InputError: what is there is no gallery, so that it must not be replaced.
        StorageError: there is a gallery already, or none can be written.
    """
    partial, old = (path.with_name(f".{word}-{secrets.token_hex(8)}-gallery") for word in ("partial", "old"))
    with write_errors(path):
        before = _replaced(path, force=force)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        with _removed(partial):
            form = FolderForm(partial, before)
            yield form
            form.end(title)
            _swap(partial, path, old, force=force)


def _swap(partial: Path, path: Path, old: Path, *, force: bool) -> None:
    """Puts a finished folder in its place."""
    if _replaced(path, force=force) is None:
        # An empty folder, which is nothing, gives way by itself.
        partial.rename(path)
        return
    path.rename(old)
    try:
        partial.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Removes what is left of something that was begun under a name of its own."""
    try:
        yield
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _check_replaceable(path: Path, *, force: bool) -> None:
    if os.path.isdir(path):  # noqa: PTH112 - of a name that is too long, Path.is_dir says so by an exception
        raise InputError(f"{path} is a folder, where one page needs a file: choose another name")
    check_free(path, force=force)
    if os.path.lexists(path) and (path.is_symlink() or not _is_gallery_page(path)):
        raise InputError(f"{path} is no gallery, and is not replaced: choose another name")


def _replaced(path: Path, *, force: bool) -> Path | None:
    """Returns the gallery that is there, None where there is nothing, or an empty folder."""
    if not os.path.lexists(path):
        return None
    if not path.is_dir() or path.is_symlink():
        raise InputError(f"{path} is no folder, where this gallery needs one: choose another name")
    if not any(path.iterdir()):
        return None
    if not _is_gallery_page(path / "index.html") or {entry.name for entry in path.iterdir()} - _FILES:
        raise InputError(f"{path} holds other things than a gallery: choose another folder")
    check_free(path, force=force)
    return path


def _is_gallery_page(file: Path) -> bool:
    with suppress(OSError), file.open("rb") as opened:
        return is_page(opened.read(_HEAD_BYTES).decode(errors="replace"))
    return False


def _thumbnail_name(key: str) -> str:
    return f"thumbs/{key[:2]}/{key}.webp"
