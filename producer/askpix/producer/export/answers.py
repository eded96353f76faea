"""A line for each answer, and for each error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

from askpix.producer.cells import cell
from askpix.producer.errors import InputError
from askpix.producer.export.form import Form, Source
from askpix.producer.export.tables import MAX_COLUMNS, ColumnNames, rounded, table_written
from askpix.producer.results import Results, extra_values
from askpix.producer.rows import Answer, Row

_COLUMNS = (
    "id", "group", "image", "status",
    "name", "question", "answer", "confidence", "choices",
    "error_code", "error_message", "alternatives",
)  # fmt: skip


def write_table(source: Source, file: IO[bytes], *, separator: str = ",") -> int:
    """Writes a line for each answer and each error, the caller's columns at the end; returns how many items it took.

    Raises:
        InputError: the caller's columns are too many for a table.
        JobError: a result file is missing or damaged.
    """
    extra = _extra_columns(source.results)
    taken = ColumnNames(_COLUMNS)
    own = [cell(taken.free(name, before="input_")) for name in extra]
    count = 0
    with table_written(file, separator=separator, marked=source.excel) as writer:
        writer.writerow((*_COLUMNS, *own))
        for count, row in enumerate(source.results.rows(), 1):  # noqa: B007 - the count is the result
            values = extra_values(row.extra)
            tail = [cell(values.get(name)) for name in extra]
            for line in _lines(row):
                writer.writerow([cell(value) for value in line] + tail)
    return count


def _extra_columns(results: Results) -> list[str]:
    """Returns every column that any row has, in the order in which they come up."""
    names: dict[str, None] = {}
    for text in results.extras():
        names.update(dict.fromkeys(extra_values(text)))
        if len(names) > MAX_COLUMNS:
            raise InputError(
                f"the rows have more than {MAX_COLUMNS} different columns of your own, too many for a table: "
                "export to .jsonl or .parquet"
            )
    return list(names)


def _lines(row: Row) -> Iterator[tuple[Any, ...]]:
    head = (row.id, row.group, row.image, row.status.value)
    for answer in row.answers:
        others = [other.text for other in answer.alternatives] if answer.alternatives else None
        said = (answer.name, answer.question, answer.text, rounded(answer.confidence), _choices(answer))
        yield (*head, *said, None, None, others)
    if row.error_code is not None or not row.answers:
        yield (*head, None, None, None, None, None, row.error_code, row.error_message, None)


def _choices(answer: Answer) -> dict[str, float | None] | None:
    if answer.choices is None:
        return None
    return {
        choice.text: round(choice.probability, 6) if math.isfinite(choice.probability or 0.0) else None
        for choice in answer.choices
    }


FORM = Form(
    name="answers",
    said="a line for each answer and each error",
    files={".csv": write_table, ".tsv": partial(write_table, separator="\t")},
    packed=frozenset((".csv", ".tsv")),
)
