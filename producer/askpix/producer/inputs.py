"""Reads what a user has: a folder of images, one image, or a list of them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from askpix.producer.errors import InputError
from askpix.producer.items import Item, Question
from askpix.producer.storage import local_path, shortened

IMAGE_SUFFIXES = frozenset(
    (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
IMAGE_COLUMNS = ("image", "url", "path", "file", "filename", "image_url", "image_path")
MAX_LINE = 10_000_000
"""Characters that a line of a list may have: data URIs are long."""


class Input:
    """A source of items, which can be read more than once.

    Raises:
        InputError: there is nothing at that path, or it is not of a form that askpix reads.
    """

    def __init__(self, source: str) -> None:
        wanted = "give a folder of images, an image, or a list of them"
        path = local_path(source) if source else None
        if path is None:
            raise InputError(f"{shortened(source)!r} is no local path: {wanted}")
        try:
            there = "\0" not in source and path.exists()
        except OSError as error:
            raise InputError(
                f"{shortened(source)!r} cannot be read: {(error.strerror or str(error)).lower()}"
            ) from None
        if not there:
            raise InputError(f"{shortened(source)!r} is not there: {wanted}")
        # One spelling for one place, so that the same job from another folder is the same job.
        self.path = Path(os.path.normpath(path.absolute()))
        self._read = self._reader()

    @property
    def root(self) -> Path:
        """The folder that relative image paths count from."""
        return self.path if self.path.is_dir() else self.path.parent

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from self._read()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {(error.strerror or str(error)).lower()}") from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
            ) from None

    def _reader(self) -> Callable[[], Iterator[Item]]:
        if self.path.is_dir():
            return self._folder
        suffix = self.path.suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            return self._image
        readers = {".txt": self._lines, ".csv": self._table, ".jsonl": self._objects, ".ndjson": self._objects}
        if suffix not in readers:
            raise InputError(
                f"{self.path} is no image and no list that askpix reads: lists end in .txt, .csv or .jsonl"
            )
        return readers[suffix]

    def _folder(self) -> Iterator[Item]:
        found = (path for path in self.path.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
        for path in sorted(found):
            if not _is_text(str(path)):
                raise InputError(f"{str(path)!r}: the file's name is not UTF-8; rename it")
            yield Item(image=path.relative_to(self.path).as_posix())

    def _image(self) -> Iterator[Item]:
        yield Item(image=self.path.name)

    def _lines(self) -> Iterator[Item]:
        with self._open() as file:
            for line in file:
                if reference := line.strip():
                    yield Item(image=reference)

    def _table(self) -> Iterator[Item]:
        csv.field_size_limit(MAX_LINE)
        with self._open() as file:
            rows = csv.DictReader(file, strict=True)
            try:
                columns = rows.fieldnames or ()
                if not any(column.strip().lower() in IMAGE_COLUMNS for column in columns):
                    raise InputError(
                        f"{self.path} has no column of images: name one of its columns {' or '.join(IMAGE_COLUMNS[:3])}"
                    )
                for row in rows:
                    if None in row:
                        raise InputError(f"{self.path}, line {rows.line_num}: more cells than columns")
                    yield self._located(rows.line_num, _csv_values(row))
            except csv.Error as error:
                raise InputError(f"{self.path}, line {rows.reader.line_num}: {error}") from None

    def _objects(self) -> Iterator[Item]:
        with self._open() as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{self.path}, line {number}: not JSON: {error}") from None
                if "\\ud" in line.lower() and not _is_text(json.dumps(value, ensure_ascii=False)):
                    raise InputError(f"{self.path}, line {number}: half of a surrogate pair is no text")
                if not isinstance(value, dict):
                    raise InputError(f'{self.path}, line {number}: a JSON object is needed, such as {{"image": ...}}')
                yield self._located(number, value)

    def _open(self) -> TextIO:
        return self.path.open(encoding="utf-8-sig", newline="")

    def _located(self, line: int, values: Mapping[str, Any]) -> Item:
        try:
            return item_from_values(values)
        except InputError as error:
            raise InputError(f"{self.path}, line {line}: {error}") from None


def item_from_values(values: Mapping[str, Any]) -> Item:
    """Returns the item of a list's row: `image`, `id`, `group`, `question` or `questions`; the rest is `extra`.

    Raises:
        InputError: there is no image, or a value is of the wrong kind.
    """
    names = {key.strip().lower(): key for key in values}
    image_column = next((names[name] for name in IMAGE_COLUMNS if name in names), None)
    image = values[image_column] if image_column is not None else None
    if not isinstance(image, str) or not image.strip():
        raise InputError("there is no image in this row")
    used = {image_column, *(names[name] for name in ("id", "group", "question", "questions") if name in names)}
    return Item(
        image=image.strip(),
        id=_text(values, names, "id"),
        group=_text(values, names, "group"),
        questions=_questions(values, names),
        extra={key: value for key, value in values.items() if key not in used},
    )


def resolve(reference: str, root: Path) -> str:
    """Returns an image reference with a relative path made absolute from `root`; URLs stay as they are."""
    path = local_path(reference)
    return reference if path is None else str(root / path)


def _is_text(text: str) -> bool:
    """Returns whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _csv_values(row: Mapping[str, str | None]) -> dict[str, Any]:
    """Returns a row's values. An empty cell is how CSV says that there is no question of the row's own."""
    return {
        key: None if value == "" and key.strip().lower() in ("question", "questions") else value
        for key, value in row.items()
        if value is not None
    }


def _text(values: Mapping[str, Any], names: Mapping[str, str], name: str) -> str | None:
    value = values.get(names.get(name, name))
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{name} must be a text or a whole number, not {value!r}")
    return str(value)


def _questions(values: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Question, ...] | None:
    if "questions" in names:
        value = values[names["questions"]]
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise InputError(f"questions is not JSON: {error}") from None
        if value is None or value in ("", []):
            return None
        return tuple(Question.parse(entry) for entry in (value if isinstance(value, list) else [value]))
    if "question" in names:
        value = values[names["question"]]
        return None if value is None else (Question.parse(value),)
    return None
