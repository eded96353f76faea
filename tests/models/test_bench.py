"""The benchmark of BLIP, whole, with a tiny model: so that it works when somebody wants to measure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.blip.floors import FORMS
from bench.blip.pages import replace_between_marks
from bench.blip.plot import panels
from bench.blip.results import Results
from bench.blip.table import readme_table, table

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one round of everything."""
    return _ran("bench.blip", tmp_path_factory.mktemp("bench") / "blip.json", "--rounds", "1", "--images", "16")


def _ran(module: str, output: Path, *options: str) -> Path:
    command = [sys.executable, "-m", module, "--quick", "--output", str(output), *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return output


def test_every_form_has_its_turn_at_every_task(written: Path) -> None:
    # When
    values = json.loads(written.read_text())

    # Then: the ceilings caption only
    (round_,) = values["rounds"]
    ceilings = {"vision-int8", "vision-whole"}
    assert {task: set(forms) for task, forms in round_.items()} == {
        "captions": set(FORMS),
        "one-question": set(FORMS) - ceilings,
        "ten-questions": set(FORMS) - ceilings,
    }
    assert all(rate > 0 for forms in round_.values() for rate in forms.values())
    assert 0 < values["occupancy"][0] <= 1
    assert len(values["ratios"]) == 10
    assert values["machine"]["packages"]["openvino"]


def test_results_are_read_as_they_were_written_and_fit_a_terminal(written: Path, tmp_path: Path) -> None:
    # Given
    results = Results.read(written)

    # When
    results.write(tmp_path / "again.json")
    told = table(results, None)

    # Then
    assert (tmp_path / "again.json").read_bytes() == written.read_bytes()
    assert max(map(len, told.splitlines())) <= 80
    for form in FORMS.values():
        assert f"({form.letter}) {form.title}" in told


def test_the_plot_has_a_bar_for_each_form_and_task(written: Path) -> None:
    captions, *questions = panels(Results.read(written))
    assert [bar.label for bar in captions.bars] == [form.title for form in FORMS.values()]
    assert [len(panel.bars) for panel in questions] == [len(FORMS) - 2] * 2
    assert all(bar.spread and bar.spread[0] <= bar.value <= bar.spread[1] for bar in captions.bars)


def test_a_page_keeps_what_is_around_its_results(written: Path, tmp_path: Path) -> None:
    # Given
    page = tmp_path / "README.md"
    marks = ("<!-- speed, as `make bench` measured it -->\n", "<!-- end of speed -->\n")
    page.write_text(f"before\n{marks[0]}old\n{marks[1]}after\n")
    rows = readme_table(Results.read(written))

    # When
    replace_between_marks(page, rows)

    # Then
    assert page.read_text() == f"before\n{marks[0]}{rows}\n{marks[1]}after\n"


def test_a_page_without_a_place_for_results_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n")
    with pytest.raises(ValueError, match="no place"):
        replace_between_marks(page, "rows")
    assert page.read_text() == "before\n"


def test_a_worker_s_memory_is_followed_to_the_end_of_a_job(tmp_path: Path) -> None:
    # When
    values = json.loads(_ran("bench.blip.memory", tmp_path / "memory.json", "--images", "300").read_text())

    # Then
    items, _, resident, own = values["series"][-1]
    assert items == 300
    assert values["peak_mb"] >= resident > own > 10
