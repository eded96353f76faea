"""Where output goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from functools import cache

from rich.console import Console

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


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the exit code to `main`; rich would exit with 1, which says that some items failed."""
        raise BrokenPipeError


def _console(*, error: bool) -> Console:
    stream = sys.stderr if error else sys.stdout
    width = None if stream is not None and stream.isatty() else _PIPE_WIDTH
    # Neither markup nor emoji codes: what is printed comes from lists of strangers.
    return _Console(stderr=error, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)
