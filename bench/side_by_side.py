"""The figures that have a limit, of two times side by side: `python -m bench.side_by_side COMMIT`. Measures nothing.

It compares what `bench/results` held at a commit with what it holds now, and writes the table into `bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import submit_many, tagging, watch, workers
from bench.blip.floors import COMPARISONS, FORMS, MEMORY_CEILING_GB, Comparison
from bench.marked import put_between_marks

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent / "README.md"

Read = Callable[[Any], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and what it is to keep to."""

    name: str
    results: str
    """The file in `bench/results`, without its ending."""

    read: Read
    least: float | None = None
    most: float | None = None
    form: str = ".2f"

    @property
    def limit(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}"
        return "" if self.most is None else f"at most {self.most:g}"

    def holds(self, value: float) -> bool:
        """Returns whether a figure keeps to its limit, as it is shown."""
        shown = float(f"{value:{self.form}}")
        return (self.least is None or shown >= self.least) and (self.most is None or shown <= self.most)


def _compared(one: Comparison) -> Figure:
    """Returns the ratio of two forms of BLIP at a task."""
    places = one.task, one.over, one.under

    def read(results: Any) -> float:
        [found] = [ratio for ratio in results["ratios"] if (ratio["task"], ratio["over"], ratio["under"]) == places]
        return float(found["median"])

    over, under = (FORMS[form].title for form in (one.over, one.under))
    return Figure(f"{one.task}: {over} to {under}", "blip", read, least=one.floor)


def _shared(job: str, form: str) -> Figure:
    """Returns how fast workers are that share a machine, to one that has it for itself."""

    def read(results: Any) -> float:
        rates = results["rates"][job]
        return median(own / one for own, one in zip(rates[form], rates["one worker on both cores"], strict=True))

    return Figure(f"{job}: {form} to one worker", "workers", read, least=workers.FLOORS[form])


def _unlike_once(results: Any) -> float:
    rows = results["runs"]["5 ms an item"]["rows"]
    return float(rows["missing"] + rows["twice"] + rows["failed"])


def _largest(key: Callable[[Any], float]) -> Read:
    return lambda results: max(key(one) for one in results["lists"])


FIGURES = (
    *map(_compared, (one for one in COMPARISONS if one.floor is not None)),
    Figure("memory of a worker over 5,000 images, GB", "memory", lambda r: r["peak_mb"] / 1000, most=MEMORY_CEILING_GB),
    Figure("processor time outside the model, ms an item", "overhead",
           lambda r: r["milliseconds_per_item"]["outside_the_model"], most=1),
    Figure("counting for metrics, µs an item", "metrics", lambda r: r["microseconds_per_item"]),
    Figure("images fetched and decoded, a second", "fetch", lambda r: r["rate"], least=300, form=".0f"),
    Figure("beside a silent host, to none", "fetch", lambda r: r["ratios"]["beside a silent host"]),
    Figure("fetching 300 a second, share of a core", "fetch", lambda r: r["core"], most=0.6),
    *(_shared(job, form) for job in ("demo model", "BLIP base, INT8") for form in workers.FLOORS),
    Figure("fleet of 64, 200,000 items: missing, twice or failed", "fleet", _unlike_once, most=0, form=".0f"),
    Figure("fleet: commands of Redis an item", "fleet",
           lambda r: r["runs"]["5 ms an item"]["broker"]["commands_per_item"]),
    Figure("millions of rows submitted: memory, MB", "submit-many",
           _largest(lambda one: one["peak_mb"]), most=submit_many.MOST_MB, form=".0f"),
    Figure("millions of rows submitted: memory of Redis, MB", "submit-many",
           _largest(lambda one: one["redis_mb"]["peak"] - one["redis_mb"]["before"]), most=submit_many.MOST_REDIS_MB),
    Figure("100,000 rows watched: share of a core", "watch",
           lambda r: max(one["share_of_a_core"] for one in r["watchers"].values()),
           most=watch.MOST_OF_A_CORE, form=".3f"),
    Figure("texts of a vision-language model: 16 at a time to one", "vlm", lambda r: r["ratio"], least=2.5),
    Figure("an ask beside a job of long texts, seconds", "vlm", lambda r: r["ask_under_load_seconds"]),
    Figure("streamed to not streamed, alone", "stream", lambda r: r["alone"]["ratio"]),
    Figure("streamed to not streamed, 16 at a time", "stream", lambda r: r["together"]["ratio"]),
    Figure("ten attributes to one", "tagging", lambda r: r["cost"]["median"], most=tagging.MOST),
    Figure("a catalogue again, on disk: times as fast", "nightly", lambda r: r["disk"]["speed_up"]["median"]),
    Figure("a catalogue again, in Redis: times as fast", "nightly", lambda r: r["redis"]["speed_up"]["median"]),
)  # fmt: skip


def shown(figures: tuple[Figure, ...], before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Returns a table in Markdown. What was not measured again has no second figure."""
    lines = ["| | limit | before | now |", "|---|---|---|---|"]
    for figure in figures:
        then = figure.read(before[figure.results])
        anew = before[figure.results] != now[figure.results]
        value = figure.read(now[figure.results])
        told = f"{value:{figure.form}}{'' if figure.holds(value) else ' (below)' if figure.least else ' (above)'}"
        lines.append(f"| {figure.name} | {figure.limit} | {then:{figure.form}} | {told if anew else ''} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="whose results are before")
    commit = parser.parse_args().commit
    names = sorted({figure.results for figure in FIGURES})
    now = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in names}
    before = {name: json.loads(_at(commit, name)) for name in names}
    table = shown(FIGURES, before, now)
    print(table)
    put_between_marks(PAGE, "side by side", table)


def _at(commit: str, name: str) -> str:
    path = f"bench/results/{name}.json"
    return subprocess.run(
        ["git", "show", f"{commit}:{path}"], check=True, capture_output=True, text=True, cwd=RESULTS.parent
    ).stdout


if __name__ == "__main__":
    main()
