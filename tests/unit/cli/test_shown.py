"""What `askpix run` shows of a job at its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.galleries import write_job
from helpers.rows import failed_row, ok_row
from helpers.tagged import COLOR, PRINTS, tagged

from askpix.cli.shown import answers_shown, failures_shown
from askpix.producer import Question
from askpix.producer.storage import LocalStorage


def test_answers_are_shown_by_what_the_sheet_calls_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unnamed = Question("how does it look?")
    said = {"color": [0.9, 0.05, 0.05], "prints": [0.9, 0.1, 0.1], "how does it look?": "new"}
    job = tagged(LocalStorage(tmp_path), [COLOR, PRINTS, unnamed], {"mug": said})

    answers_shown(job)

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "image question answer confidence",
        "mug color red 0.90",
        "prints star 0.73",
        "how does it look? new 0.50",
    ]


@pytest.mark.parametrize(("items", "example"), [(3, ", such as b: "), (20_001, "")], ids=["few items", "many items"])
def test_the_results_of_a_large_job_are_not_read_through_for_examples(
    items: int, example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [ok_row("a"), failed_row("b", code="timeout"), failed_row("c", code="http_404")]
    job = write_job(tmp_path / "job", rows, items=items, part_size=1)

    failures_shown(job, job.progress())

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"  1 x timeout{example}")
    assert (", such as " in second) == bool(example)


def test_of_a_job_without_failures_none_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)

    assert not failures_shown(job, job.progress())
    assert capsys.readouterr().err == ""
