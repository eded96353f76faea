"""`askpix report`."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial

import click

from askpix.cli.console import printable, stderr
from askpix.cli.needing import needing
from askpix.cli.opening import Opening, opens, reading_again
from askpix.cli.steps import steps_shown
from askpix.producer.followed import Job
from askpix.producer.report.gallery import Gallery, write_gallery
from askpix.producer.report.pictures import MakeThumbnails
from askpix.producer.words import counted


@click.command()
@click.argument("job")
@click.option(
    "--to",
    "target",
    metavar="FILE.html|FOLDER",
    help="A page, or a folder; by default the job's name with -gallery, here.",
)
@click.option("--no-thumbnails", is_flag=True, help="Leave the pictures out: texts and figures alone.")
@click.option("--force", is_flag=True, help="Replace the gallery that is there.")
@opens
def command(
    job: str,
    target: str | None,
    no_thumbnails: bool,
    force: bool,
    opening: Opening,
) -> None:
    """Write a gallery of JOB: a web page with its images, answers, failures and figures, to look at and search.

    Up to 2,000 items are one file that can be passed on; more are a folder, whose index.html opens at once
    however many there are. It needs no server, and asks no network for anything.

    An image is shown only if its bytes are still those that the worker read. So files may lie anywhere, unless
    --files-root names folders.
    """
    opened = Job.open(job)
    with ExitStack() as stack:
        make = None if no_thumbnails else _maker(opened, opening, stack)
        show = stack.enter_context(steps_shown())
        gallery = write_gallery(opened, target, force=force, make=make, told=show)
    stderr().print(_told(gallery, opened.spec.items, pictures=not no_thumbnails), soft_wrap=True)


def _maker(job: Job, opening: Opening, stack: ExitStack) -> MakeThumbnails:
    """Returns what makes thumbnails, until the stack is left."""
    # Whoever leaves pictures out needs none of the worker's packages.
    with needing("a gallery with pictures (--no-thumbnails leaves them out)", extra="worker"):
        from askpix.worker.thumbnails import Thumbnails
    make = partial(Thumbnails, tells_of_files=bool(opening.files_roots))
    return reading_again(make, job, opening, stack)


def _told(gallery: Gallery, expected: int, *, pictures: bool) -> str:
    path = printable(str(gallery.path))
    shown = f", {counted(gallery.pictures, 'picture')}" if pictures else ""
    missing = expected - gallery.items
    note = f"; {missing} without a result yet" if missing > 0 else ""
    return f"{path}: {counted(gallery.items, 'item')}{shown}{_without(gallery.without)}{note}"


def _without(problems: Counter[str]) -> str:
    if not problems:
        return ""
    codes = ", ".join(f"{count} x {printable(code)}" for code, count in problems.most_common(5))
    return f"; {counted(problems.total(), 'item')} without a picture ({codes})"
