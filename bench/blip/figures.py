"""What comes of the rounds: medians and spread of rates, and of the ratios within each round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import linear_regression, median

from bench.blip.floors import COMPARISONS, Comparison

Rounds = list[dict[str, dict[str, float]]]
"""For each round, for each task, each form's rate: captions, answers or images per second."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of one figure, over the rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = sorted(values)
        return cls(median=median(found), lowest=found[0], highest=found[-1])


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A comparison, and what came of it."""

    comparison: Comparison
    spread: Spread

    @property
    def holds(self) -> bool | None:
        """Whether the median reaches the floor; None where there is none."""
        floor = self.comparison.floor
        return None if floor is None else self.spread.median >= floor

    def as_json(self) -> dict[str, object]:
        return {**asdict(self.comparison), **asdict(self.spread), "holds": self.holds}


def rate(readings: Sequence[tuple[float, float]]) -> float:
    """Returns the slope of counts over seconds, by least squares.

    What ends in batches makes the count grow in steps: between its first and its last reading alone, a step
    more or less would matter.
    """
    seconds, counts = zip(*readings, strict=True)
    return linear_regression(seconds, counts).slope


def rates(rounds: Rounds) -> dict[str, dict[str, Spread]]:
    """Returns the spread of each form's rates, by task."""
    tasks = {task: list(forms) for round_ in rounds for task, forms in round_.items()}
    return {
        task: {form: Spread.of(round_[task][form] for round_ in rounds) for form in forms}
        for task, forms in tasks.items()
    }


def ratios(rounds: Rounds) -> list[Ratio]:
    """Returns all comparisons whose forms took part. Noise of minutes hits both sides of a round's ratio alike."""
    found = []
    for one in COMPARISONS:
        measured = [round_.get(one.task, {}) for round_ in rounds]
        if all(one.over in forms and one.under in forms for forms in measured):
            spread = Spread.of(forms[one.over] / forms[one.under] for forms in measured)
            found.append(Ratio(comparison=one, spread=spread))
    return found


def growth(series: Sequence[float]) -> float:
    """Returns the median of the last fifth less that of the second: the first is the beginning. NaN if under five."""
    fifth = len(series) // 5
    return median(series[-fifth:]) - median(series[fifth : 2 * fifth]) if fifth else float("nan")
