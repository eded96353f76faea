"""What a worker tells of a part in work, for whoever watches its job: counts, and its newest answers in short."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import AllowInfNan, TypeAdapter, ValidationError

from askpix.producer.judging import certainty
from askpix.producer.rows import Row, Status

_LONGEST = 160
"""Characters of an id or a text that are told."""

LATEST = 3
"""Rows of which answers are told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Glimpse:
    """A row in short."""

    id: str
    text: str
    """Its answers, or what is said of its error."""

    confidence: Annotated[float, AllowInfNan(False)] | None = None
    """How sure the model is of the answer that it is least sure of."""

    code: str | None = None
    """Of its error, if it has one."""

    @classmethod
    def of(cls, row: Row) -> Glimpse:
        if row.status is Status.ERROR:
            return cls(id=_cut(row.id), text=_cut(row.error_message or ""), code=code_of(row.error_code))
        texts = " \N{MIDDLE DOT} ".join(answer.text for answer in row.answers)
        lowest = min((sure for answer in row.answers if (sure := certainty(answer)) is not None), default=None)
        return cls(id=_cut(row.id), text=_cut(texts), confidence=lowest)


_GLIMPSES = TypeAdapter(tuple[Glimpse, ...])
_COUNTS = TypeAdapter(dict[str, int])


@dataclass(frozen=True, kw_only=True, slots=True)
class PartLive:
    """How far a part is."""

    done: int
    """Items that have their rows."""

    new: int = 0
    """Of them, those that this worker has made."""

    codes: Mapping[str, int] | None = None
    """How many failed, by error code; None where none did."""

    latest: Sequence[Glimpse] = ()
    cached: int = 0
    """Of the items that are done, those whose answers were all given before."""

    def codes_text(self) -> str:
        return json.dumps(dict(self.codes)) if self.codes else ""

    def latest_text(self) -> str:
        return json.dumps([asdict(glimpse) for glimpse in self.latest]) if self.latest else ""


def codes_in(rows: Iterable[Row]) -> Counter[str]:
    """Returns how many rows failed, by error code."""
    return Counter(code_of(row.error_code) for row in rows if row.status is Status.ERROR)


def code_of(code: str | None) -> str:
    """Returns an error code; one also for errors of rows that have none, which no askpix has written."""
    return code or "error"


def glimpses_from(text: str | None) -> tuple[Glimpse, ...]:
    """Returns the glimpses that a worker told; none where it is of another version."""
    try:
        return _GLIMPSES.validate_json(text)[:LATEST] if text else ()
    except ValidationError:
        return ()


def counts_from(text: str) -> Mapping[str, int]:
    """Returns the counts that a worker told; none where it is of another version."""
    try:
        return _COUNTS.validate_json(text)
    except ValidationError:
        return {}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
