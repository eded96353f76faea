"""What of all items is in the page at once: columns of small numbers, by which it filters and sorts."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from askpix.producer.judging import certainty
from askpix.producer.outcomes import is_cached
from askpix.producer.report.embedding import clipped, column
from askpix.producer.rows import Answer, Row, Status

MAX_ATTRIBUTES = 50
"""Names of answers that items are filtered by; with more, those that most items have."""

MAX_NAMES = 1_000
"""Names of answers that are told apart at all."""

MAX_VALUES = 250
"""Values of an attribute that have a number of their own, and error codes that do."""

FEW_VALUES = 24
"""Values of an attribute that have a number even if they come up once."""

_LABEL = 200
"""Characters of a value, name or code."""

_NONE, _OTHER, _FIRST = 0, 1, 2
"""Numbers of an attribute's values: no answer, one of those without a number, and the first that has one."""

_NO_CONFIDENCE = 0xFFFF
_CONFIDENCE_STEPS = 10_000
_MAX_MILLISECONDS = 0xFFFFFFFF


@dataclass(slots=True)
class _Attribute:
    """The answers of one name, as they come."""

    kind: str
    items: array[int] = field(default_factory=lambda: array("I"))
    values: array[int] = field(default_factory=lambda: array("I"))
    confidences: array[int] = field(default_factory=lambda: array("H"))
    numbers: dict[str, int] = field(default_factory=dict)
    """Of each value, in the order in which they came up."""

    def add(self, item: int, answer: Answer) -> None:
        if self.items and self.items[-1] == item:
            return  # a second answer of the same name is in the details alone
        self.items.append(item)
        self.values.append(self.numbers.setdefault(clipped(answer.text, _LABEL), len(self.numbers)))
        self.confidences.append(_steps(answer.confidence))


class Columns:
    """Gathers the columns of a job's rows."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        self.cached = 0
        """Items whose answers were all given before."""
        self.models: dict[str, None] = {}
        self._ids: list[str] = []
        self._codes: dict[str, int] = {}
        self._code = array("B")
        self._confidence = array("H")
        self._milliseconds = array("I")
        self._attributes: dict[str, _Attribute] = {}
        self._places: dict[str, int] = {}

    def add(self, row: Row) -> None:
        for answer in row.answers:
            name = answer.name
            attribute = self._attributes.get(name)
            if attribute is None and len(self._attributes) < MAX_NAMES:
                self._places[name] = len(self._places)
                attribute = self._attributes[name] = _Attribute(answer.kind.value)
            if attribute is not None:
                attribute.add(self.count, answer)
        self._ids.append(row.id[:_LABEL])
        self._code.append(self._number_of(row))
        self._confidence.append(min((_steps(certainty(answer)) for answer in row.answers), default=_NO_CONFIDENCE))
        self._milliseconds.append(_milliseconds(row.seconds))
        if len(self.models) < MAX_VALUES:
            self.models.setdefault(clipped(row.model, _LABEL))
        self.failed += row.status is Status.ERROR
        self.cached += is_cached(row)
        self.count += 1

    def number_of_name(self, name: str) -> int:
        """Returns the place of an answer's name among all that `names` tells, -1 where it is none of them.

        It is known as soon as a row with such an answer was added.
        """
        return self._places.get(name, -1)

    def names(self) -> list[str]:
        return list(map(_ends_of, self._attributes))

    def told(self) -> dict[str, Any]:
        """Returns the columns as JSON values."""
        often = sorted(self._attributes.items(), key=lambda pair: -len(pair[1].items))[:MAX_ATTRIBUTES]
        kept = {name for name, _ in often}
        return {
            "count": self.count,
            "failed": self.failed,
            "cached": self.cached,
            "codes": list(self._codes),
            "code": column(self._code),
            "confidence": column(self._confidence),
            "milliseconds": column(self._milliseconds),
            "byId": self._by_id(),
            "attributes": [self._told(name, one) for name, one in self._attributes.items() if name in kept],
            "leftOut": len(self._attributes) - len(kept),
        }

    def _number_of(self, row: Row) -> int:
        """Returns 0 for a row without an error, else the number of its code, from 1."""
        if row.status is not Status.ERROR:
            return 0
        code = clipped(row.error_code or "error", _LABEL)
        if code not in self._codes and len(self._codes) >= MAX_VALUES - 1:
            code = "other"
        return self._codes.setdefault(code, len(self._codes) + 1)

    def _by_id(self) -> str | None:
        """Returns the items in the order of their ids; None where that is the order in which they are."""
        order = sorted(range(self.count), key=self._ids.__getitem__)
        return None if order == list(range(self.count)) else column(array("I", order))

    def _told(self, name: str, attribute: _Attribute) -> dict[str, Any]:
        labels = list(attribute.numbers)
        counts = Counter(attribute.values)
        shown = _shown(counts, len(labels))
        numbers = array("B", bytes([_OTHER])) * len(labels)
        for place, value in enumerate(shown):
            numbers[value] = _FIRST + place
        values = array("B", bytes(self.count))
        confidences = array("H", [_NO_CONFIDENCE]) * self.count
        for item, value, confidence in zip(attribute.items, attribute.values, attribute.confidences, strict=True):
            values[item] = numbers[value]
            confidences[item] = confidence
        return {
            "name": _ends_of(name),
            "kind": attribute.kind,
            "values": [labels[value] for value in shown],
            "others": len(labels) - len(shown),
            "value": column(values),
            "confidence": column(confidences),
        }


def _ends_of(name: str) -> str:
    """Returns a name without the middle of a long one: long questions often begin alike."""
    most = _LABEL // 2
    return name if len(name) <= _LABEL else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}{name[-most:]}"


def _shown(counts: Counter[int], distinct: int) -> list[int]:
    """Returns the values that get a number, the most frequent first.

    Where there are many of them, as with captions, those that come up once are no use to filter by.
    """
    return [value for value, count in counts.most_common(MAX_VALUES) if count > 1 or distinct <= FEW_VALUES]


def _steps(confidence: float | None) -> int:
    if confidence is None or not 0 <= confidence <= 1:  # nor is it a number otherwise
        return _NO_CONFIDENCE
    return round(confidence * _CONFIDENCE_STEPS)


def _milliseconds(seconds: float | None) -> int:
    if seconds is None or not 0 <= seconds < _MAX_MILLISECONDS / 1000:
        return 0
    return round(seconds * 1000)
