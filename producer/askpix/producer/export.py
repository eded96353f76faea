"""Writes a job's results into one file, for people and for other programs."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from askpix.producer.errors import InputError, StorageError
from askpix.producer.rows import Row, row_to_json

_CSV_COLUMNS = ("id", "group", "image", "status", "question", "answer", "confidence", "error_code", "error_message")


def export(rows: Callable[[], Iterable[Row]], target: Path) -> int:
    """Writes rows to `target` in the form that its name ends in, in one atomic step; returns how many.

    `.jsonl` has a line per item, with all that is known of it. `.csv` has a line per answer (or per
    failed item), with the caller's own columns at the end.

    Args:
        rows: gives the rows anew at each call; CSV needs two passes, to know the columns first.

    Raises:
        InputError: no such form.
        StorageError: the file cannot be written.
    """
    writers = {".jsonl": _write_jsonl, ".ndjson": _write_jsonl, ".csv": _write_csv}
    write = writers.get(target.suffix.lower())
    if write is None:
        raise InputError(f"askpix cannot export to {target.name!r}: the name must end in .csv or .jsonl")
    partial = target.with_name(f".partial-{os.getpid()}{target.suffix}")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            count = write(rows, file)
        partial.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return count


def _write_jsonl(rows: Callable[[], Iterable[Row]], file: TextIO) -> int:
    count = 0
    for count, row in enumerate(rows(), 1):  # noqa: B007 - the count is the result
        file.write(json.dumps(row_to_json(row), ensure_ascii=False) + "\n")
    return count


def _write_csv(rows: Callable[[], Iterable[Row]], file: TextIO) -> int:
    extra: dict[str, None] = {}
    for row in rows():
        extra.update(dict.fromkeys(json.loads(row.extra or "{}")))
    own = [_cell(_free(name, {*_CSV_COLUMNS, *extra} if name in _CSV_COLUMNS else set())) for name in extra]
    writer = csv.writer(file)
    writer.writerow((*_CSV_COLUMNS, *own))
    count = 0
    for count, row in enumerate(rows(), 1):  # noqa: B007 - the count is the result
        values = json.loads(row.extra or "{}")
        tail = [_cell(values.get(name)) for name in extra]
        for line in _csv_lines(row):
            writer.writerow([_cell(value) for value in line] + tail)
    return count


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"input_{name}"
    return name


def _csv_lines(row: Row) -> Iterator[tuple[Any, ...]]:
    head = (row.id, row.group, row.image, row.status.value)
    for answer in row.answers:
        yield (*head, answer.question or "", answer.text, f"{answer.confidence:.4f}", None, None)
    if row.error_code is not None:
        yield (*head, None, None, None, row.error_code, row.error_message)


def _cell(value: Any) -> str:
    """Returns a cell's text. One that a spreadsheet would run as a formula is given a quote in front."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
