"""`askpix submit`: a job for workers elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from askpix.cli.asked import Asked, asks
from askpix.cli.console import stderr
from askpix.cli.options import broker_option, cache_option, kind_option
from askpix.cli.served import only_model, unserved_note
from askpix.producer.client import Client
from askpix.producer.items import Item
from askpix.producer.job_order import MAX_QUEUED
from askpix.producer.words import counted

_TOLD_EVERY = 5_000


@click.command()
@asks
@click.option("--output", required=True, metavar="JOB", help="The job folder: a path, or s3://bucket/prefix.")
@click.option("--model", metavar="NAME", help="The model that is to answer; by default the one that workers serve.")
@kind_option
@click.option(
    "--notify",
    metavar="TASK[@QUEUE]",
    help="A Celery task to be sent once all is answered; workers must allow it.",
)
@click.option(
    "--max-queued",
    type=click.IntRange(1, MAX_QUEUED),
    metavar="N",
    help="Parts that wait in the broker at a time; workers queue more as they take them. By default 2000.",
)
@cache_option
@broker_option
def command(
    asked: Asked,
    settings: dict[str, Any],
    output: str,
    model: str | None,
    device: str | None,
    notify: str | None,
    max_queued: int | None,
    cache: bool,
    broker: str | None,
) -> int:
    """Write a job folder and queue its parts for the workers.

    INPUT is what `askpix run` takes. Workers must be able to reach the job folder and the images. The
    same command again carries on with the same job.
    """
    items = asked.items()
    questions, options = asked.questions(), asked.options(settings)
    with Client(broker) as client:
        with _shown(items) as shown:
            job = client.submit(
                shown,
                output=output,
                model=model or only_model(client),
                questions=questions,
                options=options,
                base=items.base,
                device=device,
                notify=notify,
                part_size=asked.part_size,
                max_queued=max_queued,
                cache=cache,
                told=lambda text: stderr().print(text, soft_wrap=True),
            )
        size = f"{counted(job.spec.items, 'item')} in {counted(job.spec.parts, 'part')}"
        stderr().print(f"{job.folder.uri}: {size} for {job.spec.model}", soft_wrap=True)
        progress = job.progress()
        if progress.finished:
            stderr().print(f"It is complete already: {progress.ok} ok, {progress.failed} failed.", soft_wrap=True)
        else:
            unserved_note(job)
    stderr().print(f"Next: askpix watch {output}", soft_wrap=True)
    return 0


@contextmanager
def _shown(items: Iterable[Item]) -> Iterator[Iterable[Item]]:
    """Yields the items, whose number is shown on a terminal while they are read."""
    console = stderr()
    if not console.is_terminal:
        yield items
        return
    with console.status("reading") as status:

        def each() -> Iterator[Item]:
            for number, item in enumerate(items):
                if number % _TOLD_EVERY == 0:
                    status.update(f"{counted(number, 'item')} read")
                yield item

        yield each()
