"""Reads what `askpix calibrate` has found of an attribute, and what was written by hand in its stead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askpix.producer.calibration import COLDEST, HOTTEST, MAX_SHIFT
from askpix.producer.sheets.fields import Word, number_of, pairs_of, unique
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Mapped, Node, Scalar
from askpix.producer.shown import shown_value
from askpix.producer.words import listed

_KEYS = ("temperature", "shifts", "whole")
_OF_WHOLE = ("temperature", "shift")


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenCalibration:
    """A calibration as it is written."""

    temperature: float
    pairs: tuple[tuple[Word, float], ...]
    whole: tuple[float, float] | None = None
    """Temperature and shift."""

    whole_at: Scalar | None = None
    """Where that is said."""

    @property
    def shifts(self) -> tuple[Word, ...]:
        """The choices that are shifted."""
        return tuple(word for word, _ in self.pairs)

    def as_given(self) -> dict[str, Any]:
        """Returns it as a question takes it."""
        given = {"temperature": self.temperature, "shifts": {word.text: shift for word, shift in self.pairs}}
        return given if self.whole is None else {**given, "whole": dict(zip(_OF_WHOLE, self.whole, strict=True))}


def calibration_of(node: Node, told: Mistakes) -> WrittenCalibration | None:
    """Returns a calibration; None, where it is none."""
    if not isinstance(node, Mapped):
        told.tell(node, "calibration has temperature and shifts, as askpix calibrate writes them: leave it out")
        return None
    before = len(told)
    temperature: float | None = 1.0
    pairs: tuple[tuple[Word, float], ...] = ()
    whole: tuple[float, float] | None = None
    whole_at: Scalar | None = None
    for key, (name, value) in unique(node, "calibration", told).items():
        if key == "temperature":
            temperature = _temperature(value, told)
        elif key == "shifts":
            pairs = _shifts(value, told)
        elif key == "whole":
            whole, whole_at = _whole(value, told), name
        else:
            _unknown(name, key, "calibration", _KEYS, told)
    if len(told) > before or temperature is None:
        return None
    return WrittenCalibration(temperature=temperature, pairs=pairs, whole=whole, whole_at=whole_at)


def _unknown(name: Scalar, key: str, of: str, keys: Sequence[str], told: Mistakes) -> None:
    near = told.nearest(key, keys)
    instead = f"write {near}" if near else f"there are {listed(keys)}"
    told.tell(name, f"{of} has no key {shown_value(key)}: {instead}")


def _temperature(value: Node, told: Mistakes) -> float | None:
    temperature = number_of(value)
    if temperature is None or not COLDEST <= temperature <= HOTTEST:
        told.tell(value, f"temperature is a number, {COLDEST} to {HOTTEST:,}: write temperature: 1.0")
        return None
    return temperature


def _whole(node: Node, told: Mistakes) -> tuple[float, float] | None:
    if not isinstance(node, Mapped):
        told.tell(node, "whole has a temperature and a shift, as askpix calibrate writes them: leave it out")
        return None
    temperature: float | None = 1.0
    shift: float | None = 0.0
    for key, (name, value) in unique(node, "whole", told).items():
        if key == "temperature":
            temperature = _temperature(value, told)
        elif key == "shift":
            shift = _shift(value, "the shift of the whole", told)
        else:
            _unknown(name, key, "whole", _OF_WHOLE, told)
    return None if temperature is None or shift is None else (temperature, shift)


def _shifts(node: Node, told: Mistakes) -> tuple[tuple[Word, float], ...]:
    if isinstance(node, Mapped) and not node.entries:
        return ()
    found = []
    for word, value in pairs_of(node, "shifts", "{red: 0.1, blue: -0.2}", told) or ():
        shift = _shift(value, f"the shift of {shown_value(word.text)}", told)
        if shift is not None:
            found.append((word, shift))
    return tuple(found)


def _shift(value: Node, what: str, told: Mistakes) -> float | None:
    shift = number_of(value)
    if shift is None or not -MAX_SHIFT <= shift <= MAX_SHIFT:
        told.tell(value, f"{what} is a number, {-MAX_SHIFT} to {MAX_SHIFT}: write 0.1")
        return None
    return shift
