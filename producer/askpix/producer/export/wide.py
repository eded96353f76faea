"""A row for each item, or each group of them, with flat columns: two for each question."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import IO

import pyarrow as pa

from askpix.producer.cells import cell
from askpix.producer.errors import JobError
from askpix.producer.export.columns import WideColumns, wide_columns
from askpix.producer.export.form import Form, Source
from askpix.producer.export.rows import json_line, write_tables
from askpix.producer.export.tables import table_written

_BLOCK_ROWS = 4_096
"""Rows of Parquet that are held as Python's values."""


def write_table(source: Source, file: IO[bytes], *, separator: str = ",") -> int:
    """Writes a table for spreadsheets; returns how many rows it has.

    Raises:
        InputError: there are too many columns for a table.
        JobError: a result file is missing or damaged.
    """
    columns = wide_columns(source)
    count = 0
    with table_written(file, separator=separator, marked=source.excel) as writer:
        writer.writerow([cell(name) for name in columns.schema().names])
        for count, line in enumerate(source.lines(), 1):  # noqa: B007 - the count is the result
            writer.writerow(columns.cells(line))
    return count


def write_lines(source: Source, file: IO[bytes]) -> int:
    """Writes a JSON object a line; returns how many. Raises as `write_table`."""
    columns = wide_columns(source)
    names = columns.schema().names
    count = 0
    for count, line in enumerate(source.lines(), 1):  # noqa: B007 - the count is the result
        file.write(json_line(dict(zip(names, columns.values(line), strict=True))))
    return count


def write_parquet(source: Source, file: IO[bytes]) -> int:
    """Writes typed columns; returns how many rows. Raises as `write_table`."""
    columns = wide_columns(source)
    return write_tables(_tables(source, columns), columns.schema(), file)


def _tables(source: Source, columns: WideColumns) -> Iterator[pa.Table]:
    schema = columns.schema()
    values = map(columns.values, source.lines())
    while block := list(islice(values, _BLOCK_ROWS)):
        try:
            arrays = [
                pa.array(held, column.type) for held, column in zip(zip(*block, strict=True), schema, strict=True)
            ]
        except (pa.ArrowException, UnicodeEncodeError, TypeError, ValueError) as error:
            raise JobError(f"{source.results.folder.uri}: a result is no text or number: {str(error)[:200]}") from None
        yield pa.Table.from_arrays(arrays, schema=schema)


FORM = Form(
    name="wide",
    said="a row for each item, two columns for each question",
    files={
        ".csv": write_table,
        ".tsv": partial(write_table, separator="\t"),
        ".jsonl": write_lines,
        ".ndjson": write_lines,
        ".parquet": write_parquet,
    },
    packed=frozenset((".csv", ".tsv", ".jsonl", ".ndjson")),
    wide=True,
)
