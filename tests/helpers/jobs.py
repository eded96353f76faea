"""Jobs with results that a test has written, for tests that need no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.rows import ok_row

from askpix.producer import Answer, Choice, Kind, Question, Row
from askpix.producer.items import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job


def job_of(
    place: Path, rows: Sequence[Row], questions: Sequence[Question] | None = None, *, part_size: int = 2, **asked: Any
) -> JobFolder:
    """Returns a job with those results.

    Args:
        asked: by the id of an item, questions of its own.
    """
    folder = JobFolder(LocalStorage(place))
    items = [Item(id=row.id, image=row.image, group=row.group, questions=asked.get(row.id)) for row in rows]
    order = Order(model="m", questions=tuple(questions) if questions else None, part_size=part_size)
    write_job(items, folder, order, base=str(place.parent))
    for number in range(0, len(rows), part_size):
        folder.write_result(number // part_size, rows[number : number + part_size])
    return folder


def answered(
    identity: str, *answers: Answer, image: str | None = None, extra: dict[str, Any] | None = None, **values: Any
) -> Row:
    """Returns the row of an item with those answers."""
    return replace(
        ok_row(identity),
        image=image or f"{identity}.jpg",
        answers=answers,
        extra=None if extra is None else json.dumps(extra, ensure_ascii=False),
        **values,
    )


def said(name: str, text: str, confidence: float = 0.5, kind: Kind = Kind.OPEN) -> Answer:
    """Returns an answer of a few words."""
    return Answer(name=name, question=name, kind=kind, text=text, confidence=confidence, tokens=1)


def chosen(name: str, **probabilities: float) -> Answer:
    """Returns an answer that is the likeliest of some choices."""
    best = max(probabilities, key=probabilities.__getitem__)
    choices = tuple(Choice(text=text, probability=p) for text, p in probabilities.items())
    return replace(said(name, best, probabilities[best], Kind.CHOICE), choices=choices, tokens=0)
