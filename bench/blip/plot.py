"""Results as panels of bars."""

from __future__ import annotations

from bench.blip.figures import Spread, rates
from bench.blip.floors import CEILINGS, FORMS
from bench.blip.results import Results
from bench.blip.tasks import TASKS

from askpix.cli.plots import Bar, Panel


def panels(results: Results) -> list[Panel]:
    """Returns for each task each form's median rate as a bar, with a line from lowest to highest."""
    return [
        Panel(
            title=f"{TASKS[task].title}: {TASKS[task].unit} per second",
            bars=[_bar(form, spread) for form, spread in forms.items()],
        )
        for task, forms in rates(results.rounds).items()
    ]


def _bar(form: str, spread: Spread) -> Bar:
    return Bar(
        label=FORMS[form].title,
        value=spread.median,
        text=f"{spread.median:.1f}",
        kind="ceiling" if form in CEILINGS else "own" if FORMS[form].title.startswith("askpix") else "other",
        spread=(spread.lowest, spread.highest),
    )
