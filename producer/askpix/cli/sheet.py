"""`askpix sheet`: attribute sheets, before anything is asked by them."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from askpix.cli.console import printable, stderr, stdout
from askpix.producer.questions import Question
from askpix.producer.sheets.reading import read_questions
from askpix.producer.sheets.schema import FILE
from askpix.producer.words import counted

_WIDTH = 80
_SHOWN = 20
"""Choices that the table shows of an attribute."""


@click.group()
def command() -> None:
    """Check an attribute sheet; print its JSON Schema.

    \b
    A sheet says what is asked of each image, in YAML:
      - name: color
        text: what color is it?
        choices: [red, blue]
        below: 0.4              # of less confidence is
        then: unknown           # this answer
        map: {blue: navy}       # what results say instead
      - name: prints
        text: is there a {choice} on it?
        choices: [star, heart]
        multiple: true          # any number of them
        when: {color: red}      # asked only where that was the answer
    `askpix run` and `askpix submit` take it with --questions. Other keys are
    after, json_schema (of vision-language models), match and calibration.
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> int:
    """Show what the sheet FILE asks; nothing is queued.

    Exit code 0: it is right; 2: it has mistakes, each told with its line and with
    what to write instead.
    """
    questions = read_questions(file)
    table = Table(box=None, pad_edge=False)
    for name in ("attribute", "asks", "answers", "only where"):
        table.add_column(name, overflow="fold")
    for question in questions:
        answers = "\n".join(map(printable, _answers(question)))
        table.add_row(
            printable(question.name or ""), printable(question.text), answers, printable(_condition(question))
        )
    stdout().print(table, width=_WIDTH)
    stderr().print(f"{file}: {counted(len(questions), 'attribute')}, no mistakes", soft_wrap=True)
    return 0


@command.command()
def schema() -> int:
    """Print the JSON Schema of sheets, for editors that complete and check YAML.

    \b
      askpix sheet schema > sheet.schema.json
    and in the first line of the sheet beside it:
      # yaml-language-server: $schema=sheet.schema.json
    """
    click.echo(FILE.read_text(encoding="utf-8"), nl=False)
    return 0


def _answers(question: Question) -> list[str]:
    """Returns what may be the answer, in the terms of the results; a line each."""
    if question.match:
        return ["yes, no"]
    if question.json_schema is not None:
        return ["JSON"]
    lines = ["in its own words"]
    if question.choices:
        terms = list(dict.fromkeys((question.map or {}).get(choice, choice) for choice in question.choices))
        more = f" and {len(terms) - _SHOWN} more" if len(terms) > _SHOWN else ""
        lines = [f"{'any of ' if question.multiple else ''}{', '.join(terms[:_SHOWN])}{more}"]
    if question.below is not None:
        lines.append(f"{question.then} (under {question.below:g})")
    return lines


def _condition(question: Question) -> str:
    return " and ".join(f"{name} is {' or '.join(terms)}" for name, terms in (question.when or {}).items())
