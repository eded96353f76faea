"""Results as a table of 80 columns, and as the small one of the README."""

from __future__ import annotations

from textwrap import wrap

from bench.blip.figures import Ratio, Spread, rates, ratios
from bench.blip.floors import CEILINGS, FORMS, MEMORY_CEILING_GB, OCCUPANCY_FLOOR
from bench.blip.machine import remark
from bench.blip.results import Memory, Results
from bench.blip.tasks import MIXED_TOKENS, TASKS

_WIDTH, _NAME = 80, 44


def table(results: Results, memory: Memory | None) -> str:
    """Returns all that was found, for a terminal."""
    lines = [*_about(results), ""]
    for task, forms in rates(results.rounds).items():
        lines.append(_line(f"{TASKS[task].title}, per second", "median", "lowest", "highest"))
        lines += [_line(_title(form, results), *_three(spread)) for form, spread in forms.items()]
        lines.append("")
    judged = [_ratio_line(ratio, floors=results.judged) for ratio in ratios(results.rounds)]
    if results.occupancy:
        spread = Spread.of(results.occupancy)
        name = "places of the decoder in use, {} to {} tokens".format(*MIXED_TOKENS)
        floor, verdict = f"{OCCUPANCY_FLOOR:.2f}", _verdict(spread.median >= OCCUPANCY_FLOOR)
        judged.append(_line(name, *_three(spread), *((floor, verdict) if results.judged else ())))
    if judged:
        lines += [_line("ratio within a round", "median", "lowest", "highest", "floor"), *judged]
    if memory is not None and memory.model == results.model:
        lines += ["", memory_line(memory)]
    return "\n".join(lines)


def readme_table(results: Results) -> str:
    """Returns rates only, as Markdown."""
    found = rates(results.rounds)
    lines = [
        "| per second | " + " | ".join(TASKS[task].title for task in found) + " |",
        "|---" * (len(found) + 1) + "|",
    ]
    forms = [form for form in FORMS if form not in CEILINGS and any(form in of for of in found.values())]
    for form in forms:
        rates_of = [f"{of[form].median:.1f}" if form in of else "" for of in found.values()]
        lines.append(f"| {_plain(form, results)} | " + " | ".join(rates_of) + " |")
    return "\n".join(lines)


def _about(results: Results) -> list[str]:
    machine = results.machine
    used = len(machine["cores_used"])
    return [
        f"BLIP {results.model}, {len(results.rounds)} rounds, {results.images} images a turn, {machine['date']}",
        f"{machine['cpu']} (family {machine['family']}, model {machine['model']}), {used} of {machine['cores']} cores,"
        f" {machine['memory_gb']} GB",
        *wrap(remark(machine), _WIDTH),
    ]


def _title(form: str, results: Results) -> str:
    return f"({FORMS[form].letter}) {_plain(form, results)}"


def _plain(form: str, results: Results) -> str:
    precision = results.precisions.get(form)
    return FORMS[form].title + (f", {precision}" if precision and form == "engine-whole" else "")


def _ratio_line(ratio: Ratio, *, floors: bool) -> str:
    one = ratio.comparison
    over, under = (FORMS[form].letter for form in (one.over, one.under))
    name = f"{TASKS[one.task].title}: {over} / {under}"
    if one.floor is None or not floors:
        return _line(name, *_three(ratio.spread))
    return _line(name, *_three(ratio.spread), f"{one.floor:.2f}", _verdict(ratio.holds))


def memory_line(memory: Memory) -> str:
    """Returns how much a worker held, in one line."""
    items = memory.series[-1][0]
    return (
        f"worker, {items:,} images: peak {memory.peak_mb / 1000:.2f} GB (at most {MEMORY_CEILING_GB:.2f}:"
        f" {_verdict(memory.holds)}), growth {memory.growth_mb:+.0f} MB"
    )


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "ok" if holds else "below"


def _three(spread: Spread) -> tuple[str, str, str]:
    median, lowest, highest = (
        f"{one:.2f}" if one < 1000 else f"{one:,.0f}" for one in (spread.median, spread.lowest, spread.highest)
    )
    return median, lowest, highest


def _line(name: str, median: str, lowest: str, highest: str, floor: str = "", verdict: str = "") -> str:
    return f"{name:<{_NAME}}{median:>8}{lowest:>8}{highest:>8}{floor:>6} {verdict}".rstrip()
