"""The lists that users have, as they are: rows to which columns are added, and nothing else is done."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Protocol

import pyarrow as pa

from askpix.producer.cells import cell
from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.export.columns import answer_cell
from askpix.producer.export.rows import json_line, write_tables
from askpix.producer.inputs import Input
from askpix.producer.items import Item
from askpix.producer.lists.explained import explained
from askpix.producer.lists.lines import MAX_LINE, Lines
from askpix.producer.lists.objects import Layouts, json_object
from askpix.producer.lists.parquet import opened, read_batches
from askpix.producer.lists.tables import table_layout

Fields = Sequence[tuple[str, pa.DataType]]
Values = list[Any]

_BLOCK_ROWS = 2_048


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a list."""

    item: Item | None
    """Without its questions and other columns; None where the row is empty."""

    raw: Any
    """As its list writes it again."""


class OwnList(Protocol):
    """A list that can be read more than once."""

    def names(self) -> set[str]:
        """Returns the names of its columns."""

    def entries(self) -> Iterator[Entry]:
        """Yields its rows."""

    def write(self, file: IO[bytes], added: Fields, rows: Iterable[tuple[Entry, Values | None]]) -> None:
        """Writes rows again, each with what is added to it; None stands for nothing."""


class TableList:
    """A table with a separator. Its cells are texts, and stay what they are."""

    def __init__(self, source: Input, columns: Columns, separator: str) -> None:
        self._source = source
        self._columns = columns
        self._separator = separator

    def names(self) -> set[str]:
        with self._opened() as (_, header, _):
            return set(header)

    def entries(self) -> Iterator[Entry]:
        with self._opened() as (lines, header, rows):
            layout = table_layout(header, self._columns, lines.name)
            for row in rows:
                if len(row) > len(header):
                    raise lines.error("more cells than columns")
                whole = [*row, *[None] * (len(header) - len(row))]
                yield Entry(_item(layout, whole, lines) if any(row) else None, row)

    def write(self, file: IO[bytes], added: Fields, rows: Iterable[tuple[Entry, Values | None]]) -> None:
        with self._source.opened() as own:
            first = own.readline(MAX_LINE)
        text = io.TextIOWrapper(
            file, encoding="utf-8-sig" if first.startswith(b"\xef\xbb\xbf") else "utf-8", errors="replace", newline=""
        )
        end = "\r\n" if first.endswith(b"\r\n") else "\n"
        with self._opened() as (_, header, _):
            pass
        text.write(self._line([*header, *[cell(name) for name, _ in added]]) + end)
        nothing = [None] * len(added)
        for entry, values in rows:
            short = [""] * (len(header) - len(entry.raw))
            cells = [*entry.raw, *short, *map(answer_cell, nothing if values is None else values)]
            text.write((self._line(cells) if entry.raw else "") + end)
        text.flush()
        text.detach()

    def _line(self, cells: Sequence[str]) -> str:
        """Returns a row without the end of its line."""
        held = io.StringIO()
        # By this end, Python quotes each cell that has any.
        csv.writer(held, delimiter=self._separator, lineterminator="\r\n").writerow(cells)
        return held.getvalue().removesuffix("\r\n")

    @contextmanager
    def _opened(self) -> Iterator[tuple[Lines, list[str], Iterator[list[str]]]]:
        """Gives what tells the line, the header, and the rows after it."""
        csv.field_size_limit(MAX_LINE)
        with self._source.opened() as file:
            lines = Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), self._source.name)
            try:
                with explained(lines.name, lines):
                    rows = self._rows(lines)
                    yield lines, next((row for row in rows if row), []), rows
            except csv.Error as error:
                raise lines.error(error) from None

    def _rows(self, lines: Lines) -> Iterator[list[str]]:
        for row in csv.reader(lines, delimiter=self._separator, strict=True):
            lines.taken = 0
            yield row


class ObjectList:
    """JSON objects, one a line. A line stays what it is, up to its last brace."""

    def __init__(self, source: Input, columns: Columns) -> None:
        self._source = source
        self._columns = columns

    def names(self) -> set[str]:
        return {name for _, value, _ in self._objects() for name in value}

    def entries(self) -> Iterator[Entry]:
        layouts = Layouts(self._columns)
        for line, value, lines in self._objects():
            try:
                item = layouts.of(value).bare_item(list(value.values())) if value else None
            except InputError as error:
                raise lines.error(error) from None
            yield Entry(item, line)

    def write(self, file: IO[bytes], added: Fields, rows: Iterable[tuple[Entry, Values | None]]) -> None:
        nothing = [None] * len(added)
        for entry, values in rows:
            if not entry.raw.strip():
                file.write(entry.raw.encode())
                continue
            new = json_line(dict(zip([name for name, _ in added], values or nothing, strict=True))).rstrip(b"\n")
            own = entry.raw.rstrip()[:-1].rstrip()
            end = "\r\n" if entry.raw.endswith("\r\n") else "\n"
            file.write(own.encode() + (b"" if own.strip() == "{" else b", ") + new[1:] + end.encode())

    def _objects(self) -> Iterator[tuple[str, dict[str, Any], Lines]]:
        name = self._source.name
        with self._source.opened() as file:
            lines = Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n"), name)
            with explained(name, lines):
                for line in lines:
                    lines.taken = 0
                    yield line, {} if line.isspace() else json_object(line, lines), lines


class ParquetList:
    """A Parquet file. Its columns keep their types."""

    def __init__(self, source: Input, columns: Columns) -> None:
        self._source = source
        self._columns = columns

    def names(self) -> set[str]:
        with self._source.opened() as file:
            return set(opened(file, self._columns, self._source.name)[0].schema_arrow.names)

    def entries(self) -> Iterator[Entry]:
        with self._source.opened() as file:
            source, layout = opened(file, self._columns, self._source.name)
            number = 0
            for batch, records in read_batches(source, self._source.name):
                for place, record in enumerate(records):
                    number += 1
                    try:
                        item = None if _is_empty(record) else layout.bare_item(record)
                    except InputError as error:
                        raise InputError(f"{self._source.name}, row {number}: {error}") from None
                    yield Entry(item, batch.slice(place, 1))

    def write(self, file: IO[bytes], added: Fields, rows: Iterable[tuple[Entry, Values | None]]) -> None:
        with self._source.opened() as own:
            schema = opened(own, self._columns, self._source.name)[0].schema_arrow
        for name, kind in added:
            schema = schema.append(pa.field(name, kind))
        write_tables(_tables(schema, added, iter(rows)), schema, file)


def _tables(schema: pa.Schema, added: Fields, rows: Iterator[tuple[Entry, Values | None]]) -> Iterator[pa.Table]:
    nothing = [None] * len(added)
    while block := list(islice(rows, _BLOCK_ROWS)):
        own = pa.Table.from_batches([entry.raw for entry, _ in block])
        columns = zip(*[nothing if values is None else values for _, values in block], strict=True)
        arrays = [pa.array(held, kind) for held, (_, kind) in zip(columns, added, strict=True)]
        yield pa.Table.from_arrays([*own.columns, *arrays], schema=schema)


_LISTS: dict[str, Callable[[Input, Columns], OwnList]] = {
    ".csv": lambda source, columns: TableList(source, columns, ","),
    ".tsv": lambda source, columns: TableList(source, columns, "\t"),
    ".jsonl": ObjectList,
    ".ndjson": ObjectList,
    ".parquet": ParquetList,
}


def open_list(place: str, columns: Columns) -> tuple[OwnList, str]:
    """Returns a list, and what its name ends in, without .gz.

    Raises:
        InputError: it is not there, or of a form that has no columns to add to.
    """
    source = Input(place, columns=columns)
    name = source.name.lower().removesuffix(".gz")
    for ending, open_one in _LISTS.items():
        if name.endswith(ending):
            return open_one(source, columns), ending
    raise InputError(f"askpix adds no columns to {source.name}: it does to lists that end in {', '.join(_LISTS)}")


def _item(layout: Layout, values: Sequence[Any], lines: Lines) -> Item:
    try:
        return layout.bare_item(values)
    except InputError as error:
        raise lines.error(error) from None


def _is_empty(record: Sequence[Any]) -> bool:
    return all(value is None or value == "" for value in record)
