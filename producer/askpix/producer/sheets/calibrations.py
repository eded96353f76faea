"""Reads what `askpix calibrate` has found of an attribute, and what was written by hand in its stead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from askpix.producer.questions import shown_value
from askpix.producer.sheets.fields import Word, number_of, pairs_of, unique
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Mapped, Node

_KEYS = ("temperature", "shifts")
_COLDEST = 0.001
_HOTTEST = 1_000
_FARTHEST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenCalibration:
    """A calibration as it is written."""

    temperature: float
    pairs: tuple[tuple[Word, float], ...]

    @property
    def shifts(self) -> tuple[Word, ...]:
        """The choices that are shifted."""
        return tuple(word for word, _ in self.pairs)

    def as_given(self) -> dict[str, Any]:
        """Returns it as a question takes it."""
        return {"temperature": self.temperature, "shifts": {word.text: shift for word, shift in self.pairs}}


def calibration_of(node: Node, told: Mistakes) -> WrittenCalibration | None:
    """Returns a calibration; None, where it is none."""
    if not isinstance(node, Mapped):
        told.tell(node, "calibration has temperature and shifts, as askpix calibrate writes them: leave it out")
        return None
    before = len(told)
    temperature: float | None = 1.0
    pairs: tuple[tuple[Word, float], ...] = ()
    for key, (name, value) in unique(node, "calibration", told).items():
        if key == "temperature":
            temperature = number_of(value)
            if temperature is None or not _COLDEST <= temperature <= _HOTTEST:
                told.tell(value, f"temperature is a number, {_COLDEST} to {_HOTTEST:,}: write temperature: 1.0")
        elif key == "shifts":
            pairs = _shifts(value, told)
        else:
            near = told.nearest(key, _KEYS)
            instead = f"write {near}" if near else "there are temperature and shifts"
            told.tell(name, f"calibration has no key {shown_value(key)}: {instead}")
    if len(told) > before or temperature is None:
        return None
    return WrittenCalibration(temperature=temperature, pairs=pairs)


def _shifts(node: Node, told: Mistakes) -> tuple[tuple[Word, float], ...]:
    if isinstance(node, Mapped) and not node.entries:
        return ()
    found = []
    for word, value in pairs_of(node, "shifts", "{red: 0.1, blue: -0.2}", told) or ():
        shift = number_of(value)
        if shift is None or not -_FARTHEST <= shift <= _FARTHEST:
            told.tell(
                value, f"the shift of {shown_value(word.text)} is a number, {-_FARTHEST} to {_FARTHEST}: write 0.1"
            )
        else:
            found.append((word, shift))
    return tuple(found)
