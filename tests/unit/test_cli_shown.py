"""What `askpix run` shows of a job at its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.tagged import COLOR, PRINTS, tagged

from askpix.cli.shown import answers_shown
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
