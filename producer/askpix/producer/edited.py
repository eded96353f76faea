"""Tables that people have filled in, as their spreadsheets saved them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from askpix.producer.cells import NOTHING
from askpix.producer.errors import InputError
from askpix.producer.lists.lines import MAX_LINE, Lines
from askpix.producer.storage import shortened
from askpix.producer.terms import joined

_SEPARATORS = ",;\t"
"""Spreadsheets take the one of their country."""

_HINT = re.compile(r'"?sep=(.)"?\s*')
"""A first line by which Excel is told what stands between columns."""

_TABLES = (".csv", ".tsv")
LINES = (".jsonl", ".ndjson")
"""What names of files end in whose lines are objects."""

_MAX_COLUMNS = 16_384

MAX_FILE = 1_000_000_000
"""Bytes of a file that is read: what people have filled in is less by far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A row of a table."""

    where: str
    """The file and the line, for errors."""

    values: dict[str, str]
    """By the names of the columns; what is empty is left out."""


def read_records(path: Path) -> Iterator[Record]:
    """Yields the rows of a .csv, .tsv or .jsonl file; one is held at a time.

    Commas, semicolons or tabs may stand between columns, whatever the name says. UTF-16, which spreadsheets call
    "Unicode text", is read too.

    Raises:
        InputError: the file cannot be read, is no such table, or is too large, or a row of it is.
    """
    suffix = path.suffix.lower()
    if suffix not in (*_TABLES, *LINES):
        raise InputError(f"{shortened(str(path))} is no table that askpix reads: names end in .csv, .tsv or .jsonl")
    with _opened(path) as lines:
        yield from _objects(lines) if suffix in LINES else _rows(lines)


@contextmanager
def _opened(path: Path) -> Iterator[Lines]:
    name = shortened(str(path))
    try:
        with path.open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_FILE:
                raise InputError(
                    f"{name} has {size / 1e6:,.0f} MB; a table may have {MAX_FILE / 1e6:,.0f} MB: leave out the rows "
                    "in which nothing is filled in, or give it in several files"
                )
            mark = file.peek(2)[:2]
            encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
            yield Lines(io.TextIOWrapper(file, encoding=encoding, newline=""), name)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise InputError(f"{name} is not UTF-8 text: save it as `CSV UTF-8`") from None
        raise InputError(f"{name} cannot be read: {error}") from None


def _rows(lines: Lines) -> Iterator[Record]:
    csv.field_size_limit(MAX_LINE)
    first = _first(lines)
    if first is not None and (hint := _HINT.fullmatch(first)):
        separator, first = hint[1], _first(lines)
    else:
        separator = max(_SEPARATORS, key=lambda each: len(next(csv.reader([first or ""], delimiter=each), [])))
    if first is None:
        raise InputError(f"{lines.name} is empty")
    rows = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    try:
        names = _named(next(rows), lines)
        begins = lines.number + 1
        for row in rows:
            lines.taken = 0
            where, begins = f"{lines.name}, line {begins}", lines.number + 1
            if any(cell.strip() for cell in row[len(names) :]):
                raise InputError(f"{where}: more cells than columns")
            values = {name: cell for name, cell in zip(names, row, strict=False) if cell.strip()}
            if values:
                yield Record(where=where, values=values)
    except csv.Error as error:
        raise lines.error(error) from None


def _first(lines: Lines) -> str | None:
    """Returns the next line that holds something."""
    return next((line for line in lines if line.strip()), None)


def _named(header: list[str], lines: Lines) -> list[str]:
    """Returns the names of columns, no two of which differ by capitals alone."""
    names = [name.strip() for name in header]
    if len(names) > _MAX_COLUMNS:
        raise lines.error(f"more than {_MAX_COLUMNS} columns")
    _check_distinct(names, lines)
    return names


def _check_distinct(names: Iterable[str], lines: Lines) -> None:
    seen: dict[str, str] = {}
    for name in filter(None, names):
        other = seen.get(name.casefold())
        if other is not None:
            both = shortened(repr(name)) if name == other else f"{other[:80]!r} and {name[:80]!r}"
            raise lines.error(f"two columns {both}: rename one of them")
        seen[name.casefold()] = name


def _objects(lines: Lines) -> Iterator[Record]:
    for line in lines:
        lines.taken = 0
        if line.isspace():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise lines.error("it is not JSON") from None
        if not isinstance(value, dict):
            raise lines.error('it is no JSON object, such as {"id": "a.jpg", "color": "red"}')
        _check_distinct(map(str.strip, value), lines)
        values = {name.strip(): _text(entry) for name, entry in value.items()}
        yield Record(
            where=f"{lines.name}, line {lines.number}",
            values={name: text for name, text in values.items() if text.strip()},
        )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return joined(value) or NOTHING
    return json.dumps(value, ensure_ascii=False)
