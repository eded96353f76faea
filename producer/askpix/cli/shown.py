"""How jobs are shown to people: progress while they run, and what came of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from askpix.cli.console import printable, stderr, stdout
from askpix.producer.followed import Job, JobProgress
from askpix.producer.rows import Row, Status
from askpix.producer.words import counted

_SHOWN = 12
"""Answers in the table at the end."""

_SHOWN_EACH = 3
"""Of them, answers about one image."""

_LINE_SECONDS = 5.0
"""Between two lines of progress, where there is no terminal."""


@contextmanager
def progress_shown(items: int) -> Iterator[Callable[[JobProgress], None]]:
    """Yields what shows progress: a bar on a terminal, now and then a line otherwise."""
    console = stderr()
    if not console.is_terminal:
        last = time.monotonic()

        def line(progress: JobProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_SECONDS:
                last = time.monotonic()
                console.print(f"{progress.done} of {counted(items, 'item')}, {progress.failed} failed{_note(progress)}")

        yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("items"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=items)
        yield lambda progress: bar.update(task, completed=progress.done, description=_doing(progress))


def _doing(progress: JobProgress) -> str:
    if progress.state == "running":
        return "answering" if progress.done else "starting"
    return progress.state


def _note(progress: JobProgress) -> str:
    return "" if progress.state in ("running", "done") else f" ({progress.state})"


def counts_line(ok: int, failed: int, note: str = "") -> None:
    stderr().print(f"{counted(ok + failed, 'item')}: {ok} ok, {failed} failed{note}", soft_wrap=True)


def failures_shown(job: Job) -> bool:
    """Prints each error code of a job's rows with one example; returns whether trying again can help any."""
    retryable = False
    failed: dict[str, tuple[int, str]] = {}
    for row in job.results():
        if row.status is Status.ERROR:
            code = row.error_code or "error"
            retryable = retryable or bool(row.retryable)
            failed[code] = (failed.get(code, (0, ""))[0] + 1, printable(f"{row.id}: {row.error_message}"))
    for code, (count, example) in sorted(failed.items(), key=lambda pair: -pair[1][0]):
        stderr().print(f"  {count} x {code}, such as {example}", soft_wrap=True)
    return retryable


def answers_shown(job: Job) -> None:
    """Prints some answers as a table on standard output."""
    lines = list(islice(_answers(job.results()), _SHOWN))
    captions_only = all(question is None for _, question, _, _ in lines)
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="ellipsis", no_wrap=True, max_width=24)
    if not captions_only:
        table.add_column("question", overflow="fold")
    table.add_column("caption" if captions_only else "answer", overflow="fold")
    table.add_column("confidence", justify="right", no_wrap=True)
    for image, question, text, confidence in lines:
        asked = () if captions_only else (question or "(caption)",)
        table.add_row(image, *asked, text, f"{confidence:.2f}")
    if lines:
        stdout().print(table)


def _answers(rows: Iterator[Row]) -> Iterator[tuple[str, str | None, str, float]]:
    for row in rows:
        for index, answer in enumerate(row.answers[:_SHOWN_EACH]):
            name = "" if index else os.path.basename(row.id)  # noqa: PTH119 - an id need not be a path
            question = None if answer.question is None else printable(answer.question)
            yield printable(name), question, printable(answer.text), answer.confidence
