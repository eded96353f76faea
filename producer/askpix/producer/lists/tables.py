"""Tables with a header and a separator, as spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.lists.form import ListForm
from askpix.producer.lists.lines import MAX_LINE, Lines, by_lines


def read_table(lines: Lines, columns: Columns, separator: str) -> Iterator[Item]:
    """Yields the items of a table with a header; empty lines are skipped."""
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


FORM = ListForm(
    files={
        ".csv": by_lines(partial(read_table, separator=",")),
        ".tsv": by_lines(partial(read_table, separator="\t")),
    },
    packed=True,
)
