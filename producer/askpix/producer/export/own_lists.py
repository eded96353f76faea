"""The lists that users have, as they are: rows to which columns are added, and nothing else is done."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Protocol

import pyarrow as pa

from askpix.producer.cells import cell
from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.export.columns import answer_cell
from askpix.producer.export.rows import json_line, write_tables
from askpix.producer.inputs import Input, explained
from askpix.producer.items import Item
from askpix.producer.lists import MAX_LINE, Lines
from askpix.producer.parquet_lists import opened, read_batches

Fields = Sequence[tuple[str, pa.DataType]]
Values = list[Any]

_BLOCK_ROWS = 2_048


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a list."""

    item: Item | None
    """None where the row is empty, or has no image."""

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
        with closing(self._rows()) as rows:
            return set(next(rows, []))

    def entries(self) -> Iterator[Entry]:
        rows = self._rows()
        header = next(rows, [])
        layout = _layout(header, self._columns, self._source.name)
        for row in rows:
            yield Entry(_item(layout, [*row, *[None] * (len(header) - len(row))]) if row else None, row)

    def write(self, file: IO[bytes], added: Fields, rows: Iterable[tuple[Entry, Values | None]]) -> None:
        with self._source.opened() as own:
            first = own.readline(MAX_LINE)
        text = io.TextIOWrapper(
            file, encoding="utf-8-sig" if first.startswith(b"\xef\xbb\xbf") else "utf-8", errors="replace", newline=""
        )
        end = "\r\n" if first.endswith(b"\r\n") else "\n"
        with closing(self._rows()) as own_rows:
            header = next(own_rows, [])
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

    def _rows(self) -> Generator[list[str], None, None]:
        """Yields the rows from the header on."""
        csv.field_size_limit(MAX_LINE)
        name = self._source.name
        with self._source.opened() as file:
            lines = Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), name)
            width = 0
            try:
                with explained(name, lines):
                    for row in csv.reader(lines, delimiter=self._separator, strict=True):
                        lines.taken = 0
                        width = width or len(row)
                        if len(row) > width:
                            raise lines.error("more cells than columns")
                        if width:
                            yield row
            except csv.Error as error:
                raise lines.error(error) from None


class ObjectList:
    """JSON objects, one a line. A line stays what it is, up to its last brace."""

    def __init__(self, source: Input, columns: Columns) -> None:
        self._source = source
        self._columns = columns

    def names(self) -> set[str]:
        return {name for _, value in self._objects() for name in value}

    def entries(self) -> Iterator[Entry]:
        for line, value in self._objects():
            if not value:
                yield Entry(None, line)
                continue
            layout = _layout_or_none(list(value), self._columns)
            yield Entry(None if layout is None else _item(layout, list(value.values())), line)

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

    def _objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        name = self._source.name
        with self._source.opened() as file:
            lines = Lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline="\n"), name)
            with explained(name, lines):
                for line in lines:
                    lines.taken = 0
                    yield line, {} if line.isspace() else _object(line, lines)


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
            for batch, records in read_batches(source, self._source.name):
                for place, record in enumerate(records):
                    yield Entry(_item(layout, record), batch.slice(place, 1))

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
        InputError: it is not there, or has no columns.
    """
    source = Input(place, columns=columns)
    name = source.name.lower().removesuffix(".gz")
    for ending, open_one in _LISTS.items():
        if name.endswith(ending):
            return open_one(source, columns), ending
    raise InputError(f"{source.name} has no columns to add to: lists that do end in {', '.join(_LISTS)}")


def _object(line: str, lines: Lines) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise lines.error(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise lines.error('a JSON object is needed, such as {"image": ...}')
    return value


def _layout(names: list[str], columns: Columns, file: str) -> Layout:
    try:
        return Layout(names, columns)
    except InputError as error:
        raise InputError(f"{file} has {error}") from None


def _layout_or_none(names: list[str], columns: Columns) -> Layout | None:
    try:
        return Layout(names, columns)
    except InputError:
        return None


def _item(layout: Layout, values: Sequence[Any]) -> Item | None:
    """Returns the item of a row; None where it is none, such as one without an image."""
    values = [value or None if place in layout.asking else value for place, value in enumerate(values)]
    try:
        return layout.item(values)
    except InputError:
        return None
