"""What came of a job, as people are shown it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

from rich.table import Table

from askpix.cli.console import printable, stderr, stdout, table_row
from askpix.producer.followed import Job, JobProgress
from askpix.producer.rows import Row, Status
from askpix.producer.words import counted

_SHOWN = 12
"""Answers in the table at the end."""

_SHOWN_EACH = 3
"""Of them, answers about one image."""

_READ_UP_TO = 20_000
"""Items of a job whose results are read through for examples of its errors."""


def counts_line(ok: int, failed: int, note: str = "", cached: int = 0) -> None:
    known = f", {cached:,} from the cache" if cached else ""
    stderr().print(f"{counted(ok + failed, 'item')}: {ok} ok, {failed} failed{known}{note}", soft_wrap=True)


def failures_shown(job: Job, progress: JobProgress) -> bool:
    """Prints each error code of a job, of all but large jobs with one example; returns whether trying again can help
    any, as it may in large jobs."""
    if not progress.failed:
        return False
    if job.spec.items > _READ_UP_TO:
        for code, count in sorted(progress.codes.items(), key=lambda pair: -pair[1]):
            stderr().print(f"  {count} x {printable(code)}", soft_wrap=True)
        return True
    retryable = False
    failed: dict[str, tuple[int, str]] = {}
    for row in job.results():
        if row.status is Status.ERROR:
            code = row.error_code or "error"
            retryable = retryable or bool(row.retryable)
            failed[code] = (failed.get(code, (0, ""))[0] + 1, printable(f"{row.id}: {row.error_message}"))
    for code, (count, example) in sorted(failed.items(), key=lambda pair: -pair[1][0]):
        stderr().print(f"  {count} x {printable(code)}, such as {example}", soft_wrap=True)
    return retryable


def answers_shown(job: Job) -> None:
    """Prints some answers as a table on standard output."""
    lines = list(islice(_answers(job.results()), _SHOWN))
    captions_only = all(name is None for _, name, _, _ in lines)
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="ellipsis", no_wrap=True, max_width=24)
    if not captions_only:
        table.add_column("question", overflow="fold")
    table.add_column("caption" if captions_only else "answer", overflow="fold")
    table.add_column("confidence", justify="right", no_wrap=True)
    for image, name, text, confidence in lines:
        asked = () if captions_only else (name or "(caption)",)
        table_row(table, image, *asked, text, f"{confidence:.2f}")
    if lines:
        stdout().print(table)


def _answers(rows: Iterator[Row]) -> Iterator[tuple[str, str | None, str, float]]:
    """Yields image, what the question is called, answer and confidence of each answer that is shown."""
    for row in rows:
        for index, answer in enumerate(row.answers[:_SHOWN_EACH]):
            image = "" if index else os.path.basename(row.id)  # noqa: PTH119 - an id need not be a path
            name = None if answer.question is None else printable(answer.name)
            yield printable(image), name, printable(answer.text), answer.confidence
