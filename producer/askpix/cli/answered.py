"""What `askpix ask` shows of an answer: all at once, or as it comes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import click

from askpix.cli.console import json_printable, printable, stderr, stdout
from askpix.producer.asking import Ask
from askpix.producer.errors import BrokerError
from askpix.producer.records import row_to_json
from askpix.producer.rows import Answer, Kind, Row, Status


def show_row(row: Row, image: str, *, as_json: bool) -> int:
    """Shows an answer that is there; returns the exit code.

    Args:
        image: as it was given.
    """
    if as_json:
        _json(row, image)
    else:
        for answer in row.answers:
            stdout().print(f"{printable(answer.text)}{_score(answer)}", soft_wrap=True)
            _show_others(answer)
    return _code(row)


def show_stream(sent: Ask, image: str, timeout: float, *, as_json: bool) -> int:
    """Shows an answer as it comes; returns the exit code. Whatever ends that early gives the answer up.

    Args:
        image: as it was given.
        timeout: in seconds, for each piece.

    Raises:
        TimeoutError: none came.
        AskpixError: as `Ask.pieces`.
    """
    shown = False
    try:
        for piece in sent.pieces(timeout):
            click.echo(json_printable({"piece": piece}) if as_json else printable(piece), nl=as_json)
            shown = True
    except BaseException as error:
        with suppress(BrokerError):
            sent.cancel()
        if isinstance(error, BrokenPipeError):
            # click would exit with 1 for one that has a number, which says that the image has failed.
            raise BrokenPipeError from None
        _end_line(shown and not as_json)
        if isinstance(error, KeyboardInterrupt):
            stderr().print("The answer is given up: its worker stops.", soft_wrap=True)
        raise
    row = sent.get(timeout)
    if as_json:
        _json(row, image)
        return _code(row)
    score = "".join(map(_score, row.answers[:1]))
    _end_line(shown or bool(row.answers), score)
    for answer in row.answers:
        _show_others(answer)
    return _code(row)


def _end_line(begun: bool, score: str = "") -> None:
    if begun:
        click.echo(score)


def _show_others(answer: Answer) -> None:
    for other in answer.alternatives or ():
        stdout().print(f"{printable(other.text)}{_score(answer)}", soft_wrap=True)


def _score(answer: Answer) -> str:
    return f" {answer.confidence:.3f}" if answer.kind is Kind.MATCH else ""


def _json(row: Row, image: str) -> None:
    if image[:5].lower() != "data:":
        # Of a file that was sent along, a worker knows no name; with it, the row can be what the next ask follows.
        row = replace(row, image=image)
    stdout().print(json_printable(row_to_json(row)), soft_wrap=True)


def _code(row: Row) -> int:
    if row.status is Status.ERROR:
        stderr().print(f"askpix: {row.error_code}: {printable(row.error_message or '')}", soft_wrap=True)
        return 1
    return 0
