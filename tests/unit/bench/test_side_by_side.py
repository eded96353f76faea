"""Two times of measuring, side by side."""

from __future__ import annotations

import json

from bench.side_by_side import FIGURES, RESULTS, Figure, shown


def test_each_figure_is_in_the_results_that_are_kept() -> None:
    results = {one.results: json.loads((RESULTS / f"{one.results}.json").read_text()) for one in FIGURES}

    lines = shown(FIGURES, results, results).splitlines()

    assert len(lines) == len(FIGURES) + 2
    assert all(line.endswith("|  |") for line in lines[2:]), "none was measured again"


def test_what_does_not_keep_to_its_limit_says_so() -> None:
    figures = (
        Figure("faster", "speed", lambda r: r["ratio"], least=2),
        Figure("smaller", "speed", lambda r: r["mb"], most=10, form=".0f"),
    )

    table = shown(figures, {"speed": {"ratio": 2.5, "mb": 9}}, {"speed": {"ratio": 1.994, "mb": 11.2}})

    assert "| faster | at least 2 | 2.50 | 1.99 (below) |" in table
    assert "| smaller | at most 10 | 9 | 11 (above) |" in table
