"""Draws all results that are kept in bench/results: run `python -m bench.plots`, or `make plots`. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from bench.blip.figures import Spread
from bench.blip.floors import MEMORY_CEILING_GB
from bench.blip.plot import panels as blip_panels
from bench.blip.results import Memory, Results

from askpix.cli import compared
from askpix.cli.plots import FAINT, INK, OTHER, OWN, WIDTH, Bar, Form, Panel, axes_at, card, drawing, encoded, head

RESULTS = Path(__file__).parent / "results"


def blip(results: Path, form: Form) -> bytes:
    return drawing(blip_panels(Results.read(results)), form)


def compare(results: Path, form: Form) -> bytes:
    found = [compared.Compared(**one) for one in _read(results)["models"]]
    return drawing(compared.panels(found), form)


def fetch(results: Path, form: Form) -> bytes:
    rounds = _read(results)["rounds"]
    own = ("fetched", "decoded apart")
    bars = [_spread(name, [one[name]["rate"] for one in rounds], ".0f", own=name in own) for name in rounds[0]]
    processor = [
        _spread(name, [one[name]["processor_ms"] for one in rounds], ".2f", own=name in own) for name in rounds[0]
    ]
    titles = ("images per second", "milliseconds of the worker's own processor, an image")
    return drawing([Panel(title=title, bars=of) for title, of in zip(titles, (bars, processor), strict=True)], form)


def overhead(results: Path, form: Form) -> bytes:
    figures = _read(results)["milliseconds_per_item"]
    stages = sorted(figures["stages"].items(), key=lambda one: -one[1])
    total = Bar(label="outside the model", value=figures["outside_the_model"], text=_ms(figures["outside_the_model"]))
    each = [Bar(label=name, value=value, text=_ms(value), kind="other") for name, value in stages]
    return drawing([Panel(title="milliseconds of a processor, an item", bars=[total, *each])], form)


_ASKS: tuple[tuple[str, str, Literal["own", "other"]], ...] = (
    ("of a worker at rest", "ask_at_rest_seconds", "other"),
    ("of one at work on a job", "ask_under_load_seconds", "own"),
    ("of one at work, the slowest", "ask_under_load_slowest_seconds", "own"),
)


def vlm(results: Path, form: Form) -> bytes:
    figures = _read(results)
    rounds = figures["rounds"]
    rates = [
        _spread("one text at a time", [one["alone"] for one in rounds], ".0f", own=False),
        _spread("16 at a time", [one["together"] for one in rounds], ".0f", own=True),
    ]
    asks = [Bar(label=label, value=figures[key], text=f"{figures[key]:.3f}", kind=kind) for label, key, kind in _ASKS]
    shown = [
        Panel(title="tokens per second", bars=rates),
        Panel(title="seconds until a single ask is answered", bars=asks),
    ]
    return drawing(shown, form)


def memory(results: Path, form: Form) -> bytes:
    found = Memory.read(results)
    images, _, resident, own = zip(*found.series, strict=True)
    ceiling = MEMORY_CEILING_GB * 1000
    with card(300) as figure:
        head(figure, 16, "megabytes that a worker holds, over a job of so many images")
        axes = axes_at(figure, 80, 50, WIDTH - 120, 205)
        for values, color, name in ((resident, OWN, "resident"), (own, OTHER, "of it, not mapped from files")):
            axes.plot(images, values, color=color, linewidth=1.5)
            axes.annotate(name, (images[-1], values[-1]), (-4, 6), textcoords="offset points", ha="right", color=INK)
        axes.axhline(ceiling, color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
        axes.annotate("allowed", (images[-1], ceiling), (-4, 6), textcoords="offset points", ha="right", color=FAINT)
        axes.set_ylim(0, ceiling * 1.1)
        axes.set_xlim(0, images[-1])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.tick_params(color=FAINT, labelcolor=INK)
        axes.spines[["bottom", "left"]].set_visible(True)
        axes.spines[["bottom", "left"]].set_color(FAINT)
        said = f"Over {images[-1]:,} images a worker held {found.peak_mb:.0f} MB at the most, of {ceiling:.0f} allowed"
        return encoded(figure, form, said)


DRAWINGS: dict[str, Callable[[Path, Form], bytes]] = {
    "blip": blip,
    "compare": compare,
    "fetch": fetch,
    "memory": memory,
    "overhead": overhead,
    "vlm": vlm,
}


def draw(*names: str) -> None:
    """Draws the results of these names, or all, beside their figures."""
    for name in names or DRAWINGS:
        (RESULTS / f"{name}.svg").write_bytes(DRAWINGS[name](RESULTS / f"{name}.json", "svg"))


def _read(results: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return values


def _spread(label: str, values: Sequence[float], form: str, *, own: bool) -> Bar:
    of = Spread.of(values)
    text, kind = format(of.median, form), "own" if own else "other"
    return Bar(label=label, value=of.median, text=text, kind=kind, spread=(of.lowest, of.highest))


def _ms(value: float) -> str:
    return f"{value:.3f}"


if __name__ == "__main__":
    draw()
