"""Retry rounds: which failed items of a finished job are done again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from askpix.producer.messages import MAX_ROUND
from askpix.producer.outcomes import Outcome
from askpix.producer.rows import Status

_Number = Annotated[int, Field(ge=0)]


class Round(BaseModel):
    """rounds/001.json and so on: what is done again, when and why it was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    round: Annotated[int, Field(ge=1, le=MAX_ROUND)]
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    why: str
    """Which failures were chosen, in words."""

    parts: dict[_Number, Annotated[tuple[_Number, ...], Field(min_length=1)]]
    """Of each part that is done again, the places of the items (from 0) that are."""

    def fits(self, items_of: Callable[[int], int]) -> bool:
        """Returns whether all its items are there in a job, given how many items each part of that has."""
        return all(max(places) < items_of(part) for part, places in self.parts.items())

    @property
    def items(self) -> int:
        return sum(map(len, self.parts.values()))


class Failures:
    """Which failures a retry is for.

    Args:
        codes: error codes; none chooses those that trying again can help.
        every: all failures, whatever their code.
    """

    def __init__(self, codes: Collection[str] = (), *, every: bool = False) -> None:
        self._codes = frozenset(codes)
        self._every = every

    def __str__(self) -> str:
        if self._every:
            return "all failed items"
        return f"items that failed with {' or '.join(sorted(self._codes))}" if self._codes else "retryable items"

    def __call__(self, outcome: Outcome) -> bool:
        if outcome.status is Status.OK:
            return False
        if self._codes:
            return outcome.error_code in self._codes
        return self._every or bool(outcome.retryable)


def chosen(outcomes: Collection[Outcome], wanted: Callable[[Outcome], bool]) -> tuple[int, ...]:
    """Returns the places of the outcomes that are chosen."""
    return tuple(place for place, outcome in enumerate(outcomes) if wanted(outcome))
