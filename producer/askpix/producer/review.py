"""What people should look at: the answers that a job is least sure of."""

from __future__ import annotations

import csv
import heapq
import io
import json
import math
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO

from askpix.producer.cells import NOTHING, cell
from askpix.producer.corrections import corrections
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.judging import certainty, probabilities_of_terms
from askpix.producer.questions import Question
from askpix.producer.results import Results
from askpix.producer.rows import Answer, Kind, Row
from askpix.producer.storage import shortened
from askpix.producer.words import listed, nearest

COLUMNS = ("id", "group", "image", "attribute", "answer", "confidence", "choices", "correction")

_CHOICES = 8
"""That are shown of an answer."""

_RUN = 20_000
"""Answers that are held; more wait on the disk, sorted."""

_RUNS = 64
"""Files that are open at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewed:
    """What a review came to."""

    answers: int
    """In the table."""

    of: int
    """Answers that were looked through."""

    corrected: int
    """That are left out because somebody has corrected them."""


@dataclass(frozen=True, slots=True, order=True)
class _Doubt:
    """An answer; the least certain comes first, and of equals the one that comes first in the job."""

    certainty: float
    place: int
    cells: tuple[str, ...] = ()

    def line(self) -> bytes:
        return json.dumps((self.certainty, self.place, self.cells)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> _Doubt:
        certain, place, cells = json.loads(line)
        return cls(certain, place, tuple(cells))


def write_review(
    job: Job, file: IO[bytes], *, below: float, attributes: Collection[str] = (), limit: int | None = None
) -> Reviewed:
    """Writes a CSV table of the answers to check by hand, the worst first, with an empty column `correction`.

    It begins with the mark by which Excel knows UTF-8. Failed items are not in it, nor answers that were corrected.
    Memory does not depend on the number of answers: what is held is corrections, and _RUN answers.

    Args:
        below: answers that are less certain than this; that a text surely does not fit is certain.
        attributes: what the answers are called; none stands for all.
        limit: how many at the most.

    Raises:
        InputError: no answer of the job is called so.
        JobError: a file of the job is missing or damaged.
    """
    counts = _Counts()
    with _sorted(_doubts(job, below, frozenset(attributes), counts), limit) as doubts:
        if missing := [name for name in attributes if name not in counts.titles]:
            near = nearest(missing[0], counts.titles)
            hint = f"is it {shortened(repr(near))}?" if near else f"there are {listed(list(counts.titles)) or 'none'}"
            raise InputError(f"no answer of the job is called {shortened(repr(missing[0]))}: {hint}")
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        written = 0
        for written, doubt in enumerate(doubts, 1):  # noqa: B007 - the count is told
            writer.writerow(doubt.cells)
        text.flush()
        text.detach()
    return Reviewed(answers=written, of=counts.seen, corrected=counts.corrected)


class _Counts:
    def __init__(self) -> None:
        self.seen = self.corrected = 0
        self.titles: dict[str, None] = {}


def _doubts(job: Job, below: float, attributes: frozenset[str], counts: _Counts) -> Iterator[_Doubt]:
    known = corrections(job.folder)
    usual = _by_title(job.spec.questions)
    for row, own in _rows(job):
        if row.error_code is not None:
            continue
        for answer in row.answers:
            if len(counts.titles) < 1_000 or answer.name in attributes:
                counts.titles[answer.name] = None
            if attributes and answer.name not in attributes:
                continue
            counts.seen += 1
            sure = _sound(certainty(answer))
            if sure >= below:
                continue
            if answer.name in known.get(row.id, {}):
                counts.corrected += 1
                continue
            question = (usual if own is None else own).get(answer.name)
            yield _Doubt(sure, counts.seen, _cells(row, answer, question))


def _rows(job: Job) -> Iterator[tuple[Row, Mapping[str, Question] | None]]:
    """Yields the newest rows, and the questions of those that have their own; one part is held at a time."""
    results = Results.of(job.folder)
    for part, round_ in results.parts:
        own = job.folder.read_own_questions(part, job.spec.id)
        for row in results.kept(part, job.folder.read_result(part, round_)):
            yield row, _by_title(own[row.id]) if row.id in own else None


def _by_title(questions: Sequence[Question] | None) -> Mapping[str, Question]:
    return {question.title: question for question in questions or ()}


def _sound(confidence: float | None) -> float:
    return confidence if confidence is not None and math.isfinite(confidence) else 0.0


def _cells(row: Row, answer: Answer, question: Question | None) -> tuple[str, ...]:
    text = answer.text or (NOTHING if answer.kind == Kind.MULTIPLE else "")
    confidence = f"{_sound(answer.confidence):.4f}"
    said = (row.id, row.group, row.image, answer.name, text, confidence, _choices(answer, question))
    return (*map(cell, said), "")


def _choices(answer: Answer, question: Question | None) -> str:
    """Returns the likeliest terms and how likely they are: `red 0.52, pink 0.31`."""
    ranked = sorted(_probabilities(answer, question).items(), key=lambda pair: -_sound(pair[1]))
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(ranked) > _CHOICES else ""
    return ", ".join(f"{term} {_sound(p):.2f}" for term, p in ranked[:_CHOICES]) + more


def _probabilities(answer: Answer, question: Question | None) -> Mapping[str, float]:
    if answer.kind == Kind.CHOICE and question is not None:
        return probabilities_of_terms(question, answer)
    words = (question.map if question is not None else None) or {}
    return {words.get(choice.text, choice.text): choice.probability for choice in answer.choices or ()}


@contextmanager
def _sorted(doubts: Iterator[_Doubt], limit: int | None) -> Iterator[Iterator[_Doubt]]:
    """Gives answers in order, of which all but a few wait in files until it is left."""
    runs: list[IO[bytes]] = []
    try:
        while held := list(islice(doubts, _RUN)):
            held.sort()
            runs.append(_kept(held[:limit]))
            if len(runs) == _RUNS:
                runs = [_merged(runs, limit)]
        yield islice(heapq.merge(*map(_read, runs)), limit)
    finally:
        for run in runs:
            run.close()


def _merged(runs: Sequence[IO[bytes]], limit: int | None) -> IO[bytes]:
    merged = _kept(islice(heapq.merge(*map(_read, runs)), limit))
    for run in runs:
        run.close()
    return merged


def _kept(doubts: Iterable[_Doubt]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever asked for it
    file.writelines(doubt.line() for doubt in doubts)
    return file


def _read(file: IO[bytes]) -> Iterator[_Doubt]:
    file.seek(0)
    return map(_Doubt.parse, file)
