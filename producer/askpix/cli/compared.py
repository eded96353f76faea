"""What `askpix model compare` finds of each model, and how that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from askpix.cli.plots import Bar, Panel


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """What one model is found to be, as it is shown and written."""

    name: str
    precision: str
    mb: float
    components: list[dict[str, Any]]
    seconds_per_caption: float
    seconds_per_answer: float | None
    images_per_second: float | None
    caption_speed_up: float
    answer_speed_up: float | None
    same_captions: float | None
    same_answers: float | None
    right_captions: float | None
    right_answers: float | None


_FIGURES: tuple[tuple[str, Callable[[Compared], float | None], str], ...] = (
    ("size, MB", lambda one: one.mb, ".0f"),
    ("seconds a caption, one at a time", lambda one: one.seconds_per_caption, ".3f"),
    ("seconds an answer, one at a time", lambda one: one.seconds_per_answer, ".3f"),
    ("images a second, many at once", lambda one: one.images_per_second, ".1f"),
    ("same captions", lambda one: one.same_captions, ".1%"),
    ("same answers", lambda one: one.same_answers, ".1%"),
    ("right captions", lambda one: one.right_captions, ".1%"),
    ("right answers", lambda one: one.right_answers, ".1%"),
)


def panels(found: Sequence[Compared]) -> list[Panel]:
    """Returns a panel for each figure that is known of any model, with a bar for each model of which it is."""
    drawn = []
    for title, get, form in _FIGURES:
        values = [(f"{one.name}, {one.precision}", get(one)) for one in found]
        bars = [Bar(label=name, value=value, text=format(value, form)) for name, value in values if value is not None]
        if bars:
            drawn.append(Panel(title=title, bars=bars))
    return drawn
