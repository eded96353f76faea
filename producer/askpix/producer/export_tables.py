"""Results as one table: Parquet for programs, CSV for spreadsheets, a JSON object a line for both."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from askpix.producer.cells import cell
from askpix.producer.errors import InputError
from askpix.producer.results import Results, extra_values
from askpix.producer.rows import RESULT_SCHEMA, Answer, Row
from askpix.producer.values import json_text

_CSV_COLUMNS = (
    "id", "group", "image", "status",
    "name", "question", "answer", "confidence", "choices",
    "error_code", "error_message", "alternatives",
)  # fmt: skip
_MAX_COLUMNS = 16_384
"""As many as spreadsheets have."""

_GROUP_ROWS = 65_536
_GROUP_BYTES = 64_000_000
"""Rows of Parquet that are held, and then written as one row group."""

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What strict JSON leaves as it is, and what terminals act on or readers of lines end a line at."""


def write_parquet(results: Results, file: IO[bytes]) -> int:
    """Writes the rows as they are; returns how many.

    Raises:
        JobError: a result file is missing or damaged.
    """
    count = 0
    with pq.ParquetWriter(file, RESULT_SCHEMA, compression="zstd") as writer:
        for table in _grouped(results.tables()):
            # The parts of a job are too small for row groups: readers would take a file of them in tiny bites.
            writer.write_table(table, row_group_size=_GROUP_ROWS)
            count += table.num_rows
    return count


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
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


def write_lines(results: Results, file: IO[bytes]) -> int:
    """Writes a line of strict JSON for each item, with all that is known of it; returns how many.

    Raises:
        JobError: a result file is missing or damaged.
    """
    count = 0
    for table in results.tables():
        # Without a Row in between, which takes two thirds of the time.
        for record in table.to_pylist():
            values = {**record, "extra": extra_values(record["extra"])}
            line = _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text(values))
            # Half of a surrogate pair, which an escape in `extra` can hold, becomes "?".
            file.write(line.encode(errors="replace") + b"\n")
        count += table.num_rows
    return count


def write_csv(results: Results, file: IO[bytes]) -> int:
    """Writes a line for each answer and each error, the caller's columns at the end; returns how many items it took.

    Raises:
        InputError: the caller's columns are too many for a table.
        JobError: a result file is missing or damaged.
    """
    extra = _extra_columns(results)
    taken = {*_CSV_COLUMNS, *extra}
    own = [cell(_free(name, taken) if name in _CSV_COLUMNS else name) for name in extra]
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text)
    writer.writerow((*_CSV_COLUMNS, *own))
    count = 0
    for count, row in enumerate(results.rows(), 1):  # noqa: B007 - the count is the result
        values = extra_values(row.extra)
        tail = [cell(values.get(name)) for name in extra]
        for line in _csv_lines(row):
            writer.writerow([cell(value) for value in line] + tail)
    text.flush()
    text.detach()
    return count


def _extra_columns(results: Results) -> list[str]:
    """Returns every column that any row has, in the order in which they come up."""
    names: dict[str, None] = {}
    for text in results.extras():
        names.update(dict.fromkeys(extra_values(text)))
        if len(names) > _MAX_COLUMNS:
            raise InputError(
                f"the rows have more than {_MAX_COLUMNS} different columns of your own, too many for a table: "
                "export to .jsonl or .parquet"
            )
    return list(names)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"input_{name}"
    return name


def _csv_lines(row: Row) -> Iterator[tuple[Any, ...]]:
    head = (row.id, row.group, row.image, row.status.value)
    for answer in row.answers:
        others = [other.text for other in answer.alternatives] if answer.alternatives else None
        said = (answer.name, answer.question, answer.text, _rounded(answer.confidence), _choices(answer))
        yield (*head, *said, None, None, others)
    if row.error_code is not None or not row.answers:
        yield (*head, None, None, None, None, None, row.error_code, row.error_message, None)


def _rounded(number: float | None) -> str | None:
    return None if number is None or not math.isfinite(number) else f"{number:.4f}"


def _choices(answer: Answer) -> dict[str, float | None] | None:
    if answer.choices is None:
        return None
    return {
        choice.text: round(choice.probability, 6) if math.isfinite(choice.probability or 0.0) else None
        for choice in answer.choices
    }
