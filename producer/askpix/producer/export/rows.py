"""Results as they are: Parquet, or a JSON object a line, with all that is known of each item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from askpix.producer.export.form import Form, Source
from askpix.producer.records import RESULT_SCHEMA
from askpix.producer.results import extra_values
from askpix.producer.values import json_text

_GROUP_ROWS = 65_536
_GROUP_BYTES = 64_000_000
"""Rows of Parquet that are held, and then written as one row group."""

_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What strict JSON leaves as it is, and what terminals act on or readers of lines end a line at."""


def write_parquet(source: Source, file: IO[bytes]) -> int:
    """Writes the rows as they are; returns how many.

    Raises:
        JobError: a result file is missing or damaged.
    """
    return write_tables(source.results.tables(), RESULT_SCHEMA, file)


def write_lines(source: Source, file: IO[bytes]) -> int:
    """Writes a line of strict JSON for each item, with all that is known of it; returns how many.

    Raises:
        JobError: a result file is missing or damaged.
    """
    count = 0
    for table in source.results.tables():
        # Without a Row in between, which takes two thirds of the time.
        for record in table.to_pylist():
            file.write(json_line({**record, "extra": extra_values(record["extra"])}))
        count += table.num_rows
    return count


def write_tables(tables: Iterable[pa.Table], schema: pa.Schema, file: IO[bytes]) -> int:
    """Writes tables of one schema as one Parquet file; returns how many rows they have."""
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _grouped(tables):
            # The parts of a job are too small for row groups: readers would take a file of them in tiny bites.
            writer.write_table(table, row_group_size=_GROUP_ROWS)
            count += table.num_rows
    return count


def json_line(values: Mapping[str, Any]) -> bytes:
    """Returns a line of strict JSON, which ends no line before its end, and does nothing to a terminal."""
    text = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text(values))
    # Half of a surrogate pair, which an escape in `extra` can hold, becomes "?".
    return text.encode(errors="replace") + b"\n"


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        held.append(table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.concat_tables(held)
            held = []
            rows = size = 0
    if held:
        yield pa.concat_tables(held)


FORM = Form(
    name="rows",
    said="all that is known of each item",
    files={".parquet": write_parquet, ".jsonl": write_lines, ".ndjson": write_lines},
    packed=frozenset((".jsonl", ".ndjson")),
)
