"""How long work of several steps is shown: a bar on a terminal, now and then a line otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from askpix.cli.console import stderr

if TYPE_CHECKING:
    from askpix.worker.converting.told import Told

_LINE_SECONDS = 5.0
"""Between two lines, where there is no terminal."""


@contextmanager
def steps_shown() -> Iterator[Told]:
    """Yields what shows how far something is."""
    console = stderr()
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        current = ""

        def show(what: str, done: int, total: int) -> None:
            nonlocal current
            if what != current:
                current = what
                bar.reset(task, description=what, total=total)
            bar.update(task, completed=done)

        yield show


class _Lines:
    """A line now and then: what is soon over, or fails at once, is told without."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            stderr().print(f"{what}: {done} of {total}", soft_wrap=True)
