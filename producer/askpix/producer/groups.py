"""Answers of several images of one thing, such as a product, as the answers of the thing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from askpix.producer.judging import said_terms, settled
from askpix.producer.questions import NO, YES, Question
from askpix.producer.results import Said
from askpix.producer.rows import Answer, Choice, Kind

_FITS = 0.5
"""How likely it has to be that a text fits an image, to be said to."""

_T = TypeVar("_T")

_Key = tuple[str, int]
"""A name, and the how many-th answer of that name in its row."""


class Given(NamedTuple):
    """An answer about one of a group's images, as far as the group's own answer follows from it."""

    name: str
    kind: Kind
    text: str
    confidence: float | None
    choices: tuple[str, ...] | None
    probabilities: tuple[float, ...] | None
    """Of the choices."""


class View(NamedTuple):
    """One of a group's images, as it was answered."""

    answers: tuple[Given, ...]
    questions: tuple[Question, ...]
    """That were to be asked of it; none where it was captioned."""


def combined(views: Sequence[View]) -> tuple[Said, ...]:
    """Returns the answers of a group, in the order of its questions; each is of all images that have an answer to it.

    Of choices, also of those judged one by one, probabilities are averaged, and the question's own rules (`map`,
    `below`) then apply to the averages; so is the likelihood that a text fits. Of texts, the one with the highest
    confidence is taken. A question with `when` counts only where the group's own answers meet it. Answers under one
    name to choices that differ are no answers to the same question: those like the first count.
    """
    questions: dict[_Key, Question] = {}
    # Most often all are asked the same.
    for asked in {id(view.questions): view.questions for view in views}.values():
        for key, question in _numbered([(question.title, question) for question in asked]):
            questions.setdefault(key, question)
    answers: dict[_Key, list[Given]] = {key: [] for key in questions}
    for view in views:
        for key, answer in _numbered([(answer.name, answer) for answer in view.answers]):
            answers.setdefault(key, []).append(answer)
    found: dict[_Key, Said] = {}
    for key, given in answers.items():
        own = questions.get(key)
        if given and (own is None or _is_met(own, found)):
            found[key] = _together(own, given)
    return tuple(found.values())


def _is_met(question: Question, found: Mapping[_Key, Said]) -> bool:
    """Returns whether the answers found so far are those that a question depends on, or comes after."""
    if question.after is not None and (question.after, 1) not in found:
        return False
    for name, wanted in (question.when or {}).items():
        answer = found.get((name, 1))
        if answer is None:
            return False
        if said_terms(Kind(answer.kind), answer.text).isdisjoint(wanted):
            return False
    return True


def _together(question: Question | None, answers: Sequence[Given]) -> Said:
    first = answers[0]
    name, kind, choices = first.name, first.kind, first.choices
    alike = [answer for answer in answers if answer.kind is kind and answer.choices == choices]
    match kind:
        case Kind.CHOICE | Kind.MULTIPLE if question is not None and choices and (means := _means(alike)):
            mean_choices = tuple([Choice(text=t, probability=p) for t, p in zip(choices, means, strict=True)])
            own = Answer(name=name, kind=kind, text=first.text, confidence=0, tokens=0, choices=mean_choices)
            answer = settled(question, own)
            return Said(name, kind, answer.text, answer.confidence)
        case Kind.MATCH:
            mean = math.fsum(map(_sureness, alike)) / len(alike)
            return Said(name, kind, YES if mean >= _FITS else NO, mean)
        case _:
            best = max(alike, key=_sureness)
            return Said(name, kind, best.text, best.confidence)


def _means(answers: Sequence[Given]) -> list[float] | None:
    """Returns the average probability of each choice; None where some are no numbers."""
    lists = [answer.probabilities or () for answer in answers]
    try:
        means = [math.fsum(held) / len(lists) for held in zip(*lists, strict=True)]
    except (OverflowError, ValueError):
        return None
    # What is no number makes none of all that it is added to.
    return means if all(map(math.isfinite, means)) else None


def _sureness(answer: Given) -> float:
    """Returns an answer's confidence; 0 where a file has none that is a number."""
    sure = answer.confidence
    return sure if sure is not None and math.isfinite(sure) else 0.0


def _numbered(named: Iterable[tuple[str, _T]]) -> Iterator[tuple[_Key, _T]]:
    seen: dict[str, int] = {}
    for name, value in named:
        seen[name] = seen.get(name, 0) + 1
        yield (name, seen[name]), value
