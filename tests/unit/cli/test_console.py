"""What strangers wrote does nothing to a terminal, in tables and in lines of JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from helpers.rows import failed_row, ok_row
from rich.console import Console
from rich.table import Table

from askpix.cli.answered import show_row
from askpix.cli.console import json_printable, table_row
from askpix.cli.export import _told
from askpix.producer.export import Exported

HOSTILE = "\x1b[2J\x9b31m\x07a\u2028\x7f"


def test_no_cell_of_a_table_does_anything_to_a_terminal() -> None:
    table = Table(box=None, show_header=False)
    shown = io.StringIO()

    table_row(table, "café", HOSTILE)
    Console(file=shown, markup=False, force_terminal=False, width=80).print(table)

    assert shown.getvalue().split() == ["café", "\ufffd[2J\ufffd31m\ufffda\ufffd\ufffd"]


def test_every_table_of_the_command_line_is_made_of_such_cells() -> None:
    files = Path(__file__).parents[3].joinpath("producer/askpix/cli").glob("*.py")

    # A sheet's cells have lines of their own, each of them made printable there.
    assert {path.name for path in files if ".add_row(" in path.read_text("utf-8")} == {"console.py", "sheet.py"}


@pytest.mark.parametrize("text", [HOSTILE, "café \U0001f600", "\ud800", "\U000e0001", "a\u00a0b"])
def test_a_line_of_json_is_printable_and_says_the_same(text: str) -> None:
    line = json_printable({"piece": text, text: 1})

    assert line.isprintable()
    assert json.loads(line) == {"piece": text, text: 1}
    assert ("café" in line) == ("café" in text)


def test_an_answer_as_json_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_row(ok_row(HOSTILE), HOSTILE, as_json=True)
    show_row(failed_row(HOSTILE), HOSTILE, as_json=True)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["image"] for line in lines] == [HOSTILE, HOSTILE]
    assert all(map(str.isprintable, lines))


@pytest.mark.parametrize(("expected", "said"), [(3, "4 items"), (4, "4 items"), (5, "4 items; 1 without a result yet")])
def test_an_export_tells_of_items_without_a_result_and_never_of_less_than_none(expected: int, said: str) -> None:
    assert _told(Exported(items=4, of=4), expected) == said
