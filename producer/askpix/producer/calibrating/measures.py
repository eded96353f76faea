"""How far confidence can be trusted: accuracy, calibration error, and how much need not be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

BINS = 15


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """How sure an answer was, and whether it was right."""

    confidence: float
    right: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Answers of about the same confidence."""

    count: int
    confidence: float
    """Their mean."""

    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What outcomes come to."""

    accuracy: float
    confidence: float
    """The mean."""

    ece: float
    """Expected calibration error: how far accuracy is from confidence, in bins of equal width, weighted by how many
    answers are in them."""

    coverage: float
    """The share of answers that may go unchecked, so that of these the wanted precision is right."""

    above: float | None
    """From which confidence; None where none may."""

    bins: tuple[Bin | None, ...]
    """BINS of them, from 0 to 1; None where there is no answer."""


def measured(outcomes: Sequence[Outcome], precision: float) -> Measures:
    """Returns the measures of outcomes, of which there is one at least."""
    count = len(outcomes)
    bins = _bins(outcomes)
    coverage, above = _coverage(outcomes, precision)
    return Measures(
        accuracy=sum(outcome.right for outcome in outcomes) / count,
        confidence=sum(outcome.confidence for outcome in outcomes) / count,
        ece=sum(each.count * abs(each.accuracy - each.confidence) for each in bins if each is not None) / count,
        coverage=coverage,
        above=above,
        bins=bins,
    )


def _bins(outcomes: Sequence[Outcome]) -> tuple[Bin | None, ...]:
    held: list[list[Outcome]] = [[] for _ in range(BINS)]
    for outcome in outcomes:
        held[min(int(outcome.confidence * BINS), BINS - 1)].append(outcome)
    return tuple(_bin(each) if each else None for each in held)


def _bin(outcomes: Sequence[Outcome]) -> Bin:
    count = len(outcomes)
    return Bin(
        count=count,
        confidence=sum(outcome.confidence for outcome in outcomes) / count,
        accuracy=sum(outcome.right for outcome in outcomes) / count,
    )


def _coverage(outcomes: Sequence[Outcome], precision: float) -> tuple[float, float | None]:
    seen = right = most = 0
    above = None
    # Answers that are as sure as each other go unchecked together, or not at all.
    for confidence, group in groupby(sorted(outcomes, reverse=True), key=lambda outcome: outcome.confidence):
        for outcome in group:
            seen, right = seen + 1, right + outcome.right
        if right >= precision * seen:
            most, above = seen, confidence
    return most / len(outcomes), above
