"""Lists as text: an image a line, tables with a separator, JSON objects a line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TextIO

from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.items import Item

MAX_LINE = 10_000_000
"""Characters that a line of a list, or a row of a table, may have: data URIs are long."""

_MAX_LAYOUTS = 256
"""Of JSON objects with different keys; then the oldest are found again."""


class Lines:
    """The lines of a text file, none longer than MAX_LINE however long it is in the file.

    Args:
        name: what errors call the file.
    """

    def __init__(self, file: TextIO, name: str) -> None:
        self._read = file.readline
        self.name = name
        self.number = 0
        """Of the line that was read last, from 1."""

        self.taken = 0
        """Characters since the reader last set it to 0: rows of a table may go over several lines."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken += len(line)
        if self.taken > MAX_LINE:
            raise self.error(f"longer than {MAX_LINE} characters; is a quote or a line break missing?")
        return line

    def error(self, problem: object) -> InputError:
        """Returns an error about the line that was read last."""
        return InputError(f"{self.name}, line {self.number}: {problem}")


def read_references(lines: Lines) -> Iterator[Item]:
    """Yields the items of a list with an image a line; empty lines are skipped."""
    for line in lines:
        lines.taken = 0
        if reference := line.strip():
            yield Item(image=reference)


def read_table(lines: Lines, columns: Columns, separator: str) -> Iterator[Item]:
    """Yields the items of a table with a header, as spreadsheets write it; empty lines are skipped."""
    csv.field_size_limit(MAX_LINE)
    rows: Iterator[list[Any]] = csv.reader(lines, delimiter=separator, strict=True)
    try:
        header = next((row for row in rows if row), [])
        layout = table_layout(header, columns, lines.name)
        for row in rows:
            lines.taken = 0
            if len(row) == len(header):
                for place in layout.asking:
                    # An empty cell is how a table says that there is no question of the row's own.
                    row[place] = row[place] or None
                try:
                    yield layout.item(row)
                except InputError as error:
                    if any(row):
                        raise lines.error(error) from None
            elif row:
                yield _short_row(row, len(header), layout, lines)
    except csv.Error as error:
        raise lines.error(error) from None


def read_objects(lines: Lines, columns: Columns) -> Iterator[Item]:
    """Yields the items of a list with a JSON object a line; empty lines are skipped."""
    layouts = Layouts(columns)
    for line in lines:
        lines.taken = 0
        if line.isspace():
            continue
        value = json_object(line, lines)
        _check_text(line, value, lines)
        try:
            item = layouts.of(value).item(list(value.values()))
        except InputError as error:
            raise lines.error(error) from None
        yield item


class Layouts:
    """The layouts of JSON objects, which repeat their keys."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._known: dict[tuple[str, ...], Layout] = {}

    def of(self, value: dict[str, Any]) -> Layout:
        """Returns the layout of an object; raises InputError where it has no image."""
        keys = tuple(value)
        layout = self._known.get(keys)
        if layout is None:
            if len(self._known) == _MAX_LAYOUTS:
                self._known.clear()
            layout = self._known[keys] = Layout(keys, self._columns)
        return layout


def table_layout(header: list[str], columns: Columns, file: str) -> Layout:
    """Returns the layout of a table; raises InputError where it has no images, or two columns of one name."""
    names = _named(header, file)
    try:
        return Layout(names, columns)
    except InputError as error:
        raise InputError(f"{file} has {error}") from None


def _named(header: list[str], file: str) -> list[str]:
    """Returns the names of a table's columns, which are all different."""
    names = [name if name.strip() else f"column {place}" for place, name in enumerate(header, 1)]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError(f"{file} has two columns {name!r}: rename one of them")
    return names


def _short_row(row: list[Any], width: int, layout: Layout, lines: Lines) -> Item:
    """Returns the item of a row without its last cells: it does not have those columns."""
    if len(row) > width:
        raise lines.error("more cells than columns")
    padded = [cell or None if place in layout.asking else cell for place, cell in enumerate(row)]
    try:
        item = layout.item(padded + [None] * (width - len(row)))
    except InputError as error:
        raise lines.error(error) from None
    return replace(item, extra={name: value for name, value in item.extra.items() if value is not None})


_decode = json.JSONDecoder(parse_constant=lambda _: None).decode
# NaN and infinity, which Python writes and JSON lacks, are null.


def json_object(line: str, lines: Lines) -> dict[str, Any]:
    """Returns the object of a line; raises InputError where it is none."""
    try:
        value = _decode(line)
    except (ValueError, RecursionError) as error:
        raise lines.error(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise lines.error('a JSON object is needed, such as {"image": ...}')
    return value


def _check_text(line: str, value: dict[str, Any], lines: Lines) -> None:
    if "\\ud" in line or "\\uD" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise lines.error("half of a surrogate pair is no text") from None
