"""Jobs of a shop's attributes as a worker would leave them, for tests that have none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from helpers.rows import ok_row

from askpix.producer import Answer, Choice, Item, Job, Kind, Options, Question
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.judging import judged
from askpix.producer.rows import Row
from askpix.producer.storage import Storage

COLOR = Question("what color is it?", name="color", choices=("red", "green", "gray"), map={"gray": "grey"})
PRINTS = Question("is there a {choice} on it?", name="prints", choices=("star", "heart", "moon"), multiple=True)
STYLE = Question("what style is it?", name="style")

Said = Mapping[str, Sequence[float] | str]
"""By attribute: the model's own probability of each choice, or a text."""


def answer(question: Question, said: Sequence[float] | str) -> Answer:
    """Returns what a row says where a model gave these probabilities, or this text."""
    if isinstance(said, str):
        kind, text, choices = Kind.OPEN, said, None
    else:
        kind, text = (Kind.MULTIPLE if question.multiple else Kind.CHOICE), ""
        choices = tuple(Choice(text=name, probability=p) for name, p in zip(question.choices or (), said, strict=True))
    own = Answer(name=question.title, kind=kind, question=question.text, text=text, confidence=0.5, tokens=1)
    return judged(question, replace(own, choices=choices))


def row(identity: str, questions: Sequence[Question], said: Said) -> Row:
    known = {question.title: question for question in questions}
    answers = tuple(answer(known[title], each) for title, each in said.items())
    return replace(ok_row(identity), answers=answers)


def tagged(storage: Storage, questions: Sequence[Question], rows: Mapping[str, Said], *, part_size: int = 2) -> Job:
    """Returns a finished job with such answers, by the items' ids."""
    folder, number = JobFolder(storage), uuid.uuid4().hex
    items = [Item(image=f"/shop/{place}.jpg", id=identity) for place, identity in enumerate(rows)]
    made = [replace(row(identity, questions, said), image=item.image) for item, (identity, said) in _with(items, rows)]
    parts = range(0, len(items), part_size)
    for part, first in enumerate(parts):
        folder.write_input(part, items[first : first + part_size], number)
        folder.write_result(part, made[first : first + part_size])
    spec = JobSpec(
        id=number,
        model="m",
        questions=tuple(questions),
        options=Options(),
        items=len(items),
        parts=len(parts),
        part_size=part_size,
        fingerprint="f",
    )
    return Job(folder, folder.write_spec(spec))


def _with(items: Sequence[Item], rows: Mapping[str, Said]) -> Iterator[tuple[Item, tuple[str, Said]]]:
    return zip(items, rows.items(), strict=True)
