"""`askpix sheet`, and what a sheet with mistakes does to the commands that take one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from askpix.cli.main import main

ROOT = Path(__file__).parents[3]
WRONG = "- text: what is it?\n  choises: [mug, shirt]\n- name: kind\n  text: what?\n  below: 40%\n  then: unknown\n"


class Ran:
    def __init__(self, code: object, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Ran]


@pytest.fixture
def askpix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASKPIX_BROKER_URL", "redis://127.0.0.1:1/0")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["askpix", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return Ran(caught.value.code, *capsys.readouterr())

    return run


def test_a_sheet_is_shown_as_a_table_that_fits_a_terminal(askpix: Run) -> None:
    ran = askpix("sheet", "check", str(ROOT / "demo/tags.yaml"))

    assert ran.code == 0
    assert ran.err.endswith("tags.yaml: 6 attributes, no mistakes\n")
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["attribute", "asks", "answers", "only", "where"]
    text = " ".join(ran.out.split())
    assert "white, grey, beige, wood," in text
    assert "unknown (under 0.4)" in text
    assert "long kind is shirt" in text
    assert "any of star, heart, moon" in text


def test_a_term_of_several_choices_is_shown_once(askpix: Run, tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text(
        "- text: of what?\n  choices: [oak, pine, tin]\n  map: {oak: wood, pine: wood}\n"
    )

    ran = askpix("sheet", "check", "tags.yaml")

    assert ran.out.splitlines()[1].split() == ["of", "what?", "wood,", "tin"]


def test_a_sheet_cannot_make_the_terminal_do_anything(askpix: Run, tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text('- text: "\\u202e[red]what?[/red]"\n  map: {a: ":smile:"}\n')

    ran = askpix("sheet", "check", "tags.yaml")

    assert ran.code == 0
    assert "\N{REPLACEMENT CHARACTER}[red]what?[/red]" in ran.out


def test_the_schema_is_printed_as_it_is(askpix: Run) -> None:
    ran = askpix("sheet", "schema")

    assert ran.code == 0
    assert json.loads(ran.out)["type"] == "array"
    assert ran.out == (ROOT / "producer/askpix/producer/sheets/sheet.schema.json").read_text()


@pytest.mark.parametrize(
    "command",
    [
        ("sheet", "check", "tags.yaml"),
        ("run", str(ROOT / "demo/images"), "--output", "job", "--questions", "tags.yaml"),
        ("submit", str(ROOT / "demo/images"), "--output", "job", "--model", "m", "--questions", "tags.yaml"),
    ],
    ids=lambda command: command[0],
)
def test_mistakes_are_told_a_line_each_before_anything_is_written_or_queued(
    askpix: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "tags.yaml").write_text(WRONG)

    ran = askpix(*command)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "askpix: tags.yaml:2: there is no key 'choises': write choices",
        "askpix: tags.yaml:5: below is a confidence from 0 to 1: write below: 0.4",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["tags.yaml"]
