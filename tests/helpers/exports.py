"""Jobs of rows, and what their exports hold."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.rows import ok_row

from askpix.producer import Answer, Kind, Row
from askpix.producer.export import export
from askpix.producer.job_folder import JobFolder
from askpix.producer.storage import LocalStorage


def row(identity: str = "a", *, text: str = "a mug", extra: dict[str, Any] | None = None, **values: Any) -> Row:
    answer = Answer(name="q", question="q", kind=Kind.OPEN, text=text, confidence=0.123456, tokens=2)
    given = {"id": identity, "image": f"{identity}.jpg", "answers": (answer,), **values}
    return replace(ok_row(identity), extra=json.dumps(extra, ensure_ascii=False) if extra else None, **given)


def job(folder: Path, *parts: list[Row]) -> JobFolder:
    """Returns a job folder with those results."""
    made = JobFolder(LocalStorage(folder / "job"))
    for number, rows in enumerate(parts):
        made.write_result(number, rows)
    return made


def table(folder: Path, *rows: Row) -> list[list[str]]:
    """Returns the cells of an exported CSV file, its head first."""
    assert export(job(folder, list(rows)), str(folder / "out.csv")).items == len(rows)
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def lines(folder: Path, *rows: Row) -> list[Any]:
    """Returns the values of an exported file of JSON lines, each of them strict JSON."""
    assert export(job(folder, list(rows)), str(folder / "out.jsonl")).items == len(rows)
    return [strict(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)
