"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 100
"""Columns of a table that no terminal shows."""


@cache
def stdout() -> Console:
    return _console(error=False)


@cache
def stderr() -> Console:
    return _console(error=True)


def printable(text: str) -> str:
    """Returns a text of a stranger's without what a terminal would act on: escapes, newlines, and the like."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def table_row(table: Table, *cells: str) -> None:
    """Adds a row to a table, of cells that do nothing to a terminal: rich lets escapes through."""
    table.add_row(*map(printable, cells))


def json_printable(value: Any) -> str:
    """Returns a value as a line of JSON: letters as they are, and escaped what a terminal would act on."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the exit code to `main`; rich would exit with 1, which says that some items failed."""
        raise BrokenPipeError


def _console(*, error: bool) -> Console:
    stream = sys.stderr if error else sys.stdout
    width = None if stream is not None and stream.isatty() else _PIPE_WIDTH
    # Neither markup nor emoji codes: what is printed comes from lists of strangers.
    return _Console(stderr=error, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)
