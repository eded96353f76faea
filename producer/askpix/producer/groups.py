"""Answers of several images of one thing, such as a product, as the answers of the thing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from askpix.producer.judging import said_terms, settled
from askpix.producer.questions import NO, YES, Question
from askpix.producer.rows import Answer, Choice, Kind, Row

_FITS = 0.5
"""How likely it has to be that a text fits an image, to be said to."""

_T = TypeVar("_T")

_Key = tuple[str, int]
"""A name, and the how many-th answer of that name in its row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One of a group's images, as it was answered."""

    row: Row
    questions: tuple[Question, ...]
    """That were to be asked of it; none where it was captioned."""


def combined(views: Sequence[View]) -> tuple[Answer, ...]:
    """Returns the answers of a group, in the order of its questions; each is of all images that have an answer to it.

    Of choices, also of those judged one by one, probabilities are averaged, and the question's own rules (`map`,
    `below`) then apply to the averages; so is the likelihood that a text fits. Of texts, the one with the highest
    confidence is taken. A question with `when` counts only where the group's own answers meet it. Answers under one
    name to choices that differ are no answers to the same question: those like the first count.
    """
    questions: dict[_Key, Question] = {}
    for view in views:
        for key, question in _numbered((question.title, question) for question in view.questions):
            questions.setdefault(key, question)
    answers: dict[_Key, list[Answer]] = {key: [] for key in questions}
    for view in views:
        for key, answer in _numbered((answer.name, answer) for answer in view.row.answers):
            answers.setdefault(key, []).append(answer)
    found: dict[_Key, Answer] = {}
    for key, given in answers.items():
        own = questions.get(key)
        if given and (own is None or _is_met(own, found)):
            found[key] = _together(own, given)
    return tuple(found.values())


def _is_met(question: Question, found: Mapping[_Key, Answer]) -> bool:
    """Returns whether the answers found so far are those that a question depends on, or comes after."""
    if question.after is not None and (question.after, 1) not in found:
        return False
    for name, wanted in (question.when or {}).items():
        answer = found.get((name, 1))
        if answer is None:
            return False
        if said_terms(answer).isdisjoint(wanted):
            return False
    return True


def _together(question: Question | None, answers: Sequence[Answer]) -> Answer:
    alike = [answer for answer in answers if _form(answer) == _form(answers[0])]
    best = max(alike, key=_sureness)
    match best.kind:
        case Kind.CHOICE | Kind.MULTIPLE if question is not None and (choices := _mean_choices(alike)):
            return settled(
                question, replace(best, choices=choices, said=None, alternatives=None, cached=None, raw=None)
            )
        case Kind.MATCH:
            mean = math.fsum(map(_sureness, alike)) / len(alike)
            return replace(best, text=YES if mean >= _FITS else NO, confidence=mean, said=None, cached=None)
        case _:
            return best


def _form(answer: Answer) -> tuple[Kind, tuple[str, ...]]:
    return answer.kind, tuple(choice.text for choice in answer.choices or ())


def _mean_choices(answers: Sequence[Answer]) -> tuple[Choice, ...] | None:
    """Returns the choices with their average probabilities; None where some are no numbers."""
    lists = [[choice.probability for choice in answer.choices or ()] for answer in answers]
    if not all(p is not None and math.isfinite(p) for held in lists for p in held):
        return None
    means = [math.fsum(held) / len(lists) for held in zip(*lists, strict=True)]
    return tuple(
        Choice(text=choice.text, probability=mean) for choice, mean in zip(answers[0].choices or (), means, strict=True)
    )


def _sureness(answer: Answer) -> float:
    """Returns an answer's confidence; 0 where a file has none that is a number."""
    sure = answer.confidence
    return sure if sure is not None and math.isfinite(sure) else 0.0


def _numbered(named: Iterable[tuple[str, _T]]) -> Iterator[tuple[_Key, _T]]:
    seen: dict[str, int] = {}
    for name, value in named:
        seen[name] = seen.get(name, 0) + 1
        yield (name, seen[name]), value
