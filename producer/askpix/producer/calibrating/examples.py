"""Labelled examples: what a model said of an image, and what is right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from askpix.producer.calibrating.labels import Labels, label_of
from askpix.producer.cells import NOTHING, comparable
from askpix.producer.corrections import corrections
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.questions import Question
from askpix.producer.results import Results
from askpix.producer.rows import Answer, Choice, Kind, Row
from askpix.producer.terms import split_loosely, terms_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """An answer with the model's own probabilities, and the answer that is right."""

    answer: Answer
    label: str

    @property
    def probabilities(self) -> tuple[float, ...]:
        """In the order of the question's choices."""
        return tuple(choice.probability for choice in self.answer.choices or ())


@dataclass(kw_only=True, slots=True)
class Gathered:
    """The examples of one question."""

    question: Question
    examples: list[Example] = field(default_factory=list)
    unanswered: int = 0
    """Labels of items that the job has no answer of: they failed, or were not asked."""

    otherwise: int = 0
    """Labels of answers that had other choices."""

    mistakes: int = 0
    """Corrections that are left out, as not one confirms what was right: see `gathered`."""

    @property
    def by_term(self) -> Counter[str]:
        """How often each term is so, in their order."""
        counts = Counter(dict.fromkeys(terms_of(self.question), 0))
        for example in self.examples:
            counts.update(split_loosely(example.label) if self.question.multiple else (example.label,))
        return counts


def gathered(job: Job, questions: Sequence[Question], labels: Labels) -> list[Gathered]:
    """Returns the examples of each question: the labels, and what people put right in the job.

    A label counts before a correction. Where all corrections of an attribute put a wrong answer right, they are left
    out: from mistakes alone a model looks as if it were never right.

    Raises:
        JobError: a file of the job is missing or damaged.
    """
    found = {question.title: Gathered(question=question) for question in questions}
    corrected: dict[str, list[Example]] = {title: [] for title in found}
    confirmed: Counter[str] = Counter()
    known = corrections(job.folder)
    for row in Results.of(job.folder).rows():
        own, put_right = _labels_of(row, labels), known.get(row.id, {})
        answers = {answer.name: answer for answer in row.answers}
        for title, into in found.items():
            label = own.get(title)
            is_label = label is not None
            if label is None and title in put_right:
                label = _kept(into.question, put_right[title])
            if label is None:
                continue
            example = _example(into, answers.get(title), label)
            if example is not None and is_label:
                into.examples.append(example)
            elif example is not None:
                corrected[title].append(example)
                confirmed[title] += answers[title].text == label
    for title, into in found.items():
        if confirmed[title]:
            into.examples += corrected[title]
        else:
            into.mistakes = len(corrected[title])
    return list(found.values())


def _labels_of(row: Row, labels: Labels) -> Mapping[str, str]:
    by_id = labels.by_item.get(comparable(row.id))
    return (labels.by_item.get(comparable(row.image)) or {}) if by_id is None else by_id


def _kept(question: Question, text: str) -> str | None:
    """Returns a correction as a label; None where it is of other terms than the sheet has now."""
    try:
        return label_of(question, text or NOTHING)
    except InputError:
        return None


def _example(into: Gathered, answer: Answer | None, label: str) -> Example | None:
    if answer is None:
        into.unanswered += 1
        return None
    own = _own(into.question, answer)
    if own is None:
        into.otherwise += 1
        return None
    return Example(answer=own, label=label)


def _own(question: Question, answer: Answer) -> Answer | None:
    """Returns an answer as the model gave it; None where it is not of this question's choices."""
    kind = Kind.MULTIPLE if question.multiple else Kind.CHOICE
    choices = answer.choices or ()
    raw = answer.raw or [choice.probability for choice in choices]
    fits = answer.kind == kind and tuple(choice.text for choice in choices) == question.choices
    if not fits or len(raw) != len(choices) or not all(p is not None and math.isfinite(p) and 0 <= p <= 1 for p in raw):
        return None
    made = tuple(Choice(text=choice.text, probability=p) for choice, p in zip(choices, raw, strict=True))
    return replace(answer, choices=made, said=None, raw=None)
