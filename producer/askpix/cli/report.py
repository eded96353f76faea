"""`askpix report`."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import click

from askpix.cli.console import printable, stderr
from askpix.cli.needing import needing
from askpix.cli.options import access_options
from askpix.cli.steps import steps_shown
from askpix.producer.followed import Job
from askpix.producer.locations import S3Location, is_s3
from askpix.producer.report.gallery import Gallery, write_gallery
from askpix.producer.report.pictures import MakeThumbnails
from askpix.producer.settings import load_settings
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
@access_options
def command(
    job: str,
    target: str | None,
    no_thumbnails: bool,
    force: bool,
    files_roots: tuple[str, ...],
    networks: tuple[str, ...],
    buckets: tuple[str, ...],
) -> None:
    """Write a gallery of JOB: a web page with its images, answers, failures and figures, to look at and search.

    Up to 2,000 items are one file that can be passed on; more are a folder, whose index.html opens at once
    however many there are. It needs no server, and asks no network for anything.

    An image is shown only if its bytes are still those that the worker read. So files may lie anywhere, unless
    --files-root names folders.
    """
    opened = Job.open(job)
    with ExitStack() as stack:
        make = None if no_thumbnails else _maker(opened, stack, files_roots, networks, buckets)
        show = stack.enter_context(steps_shown())
        gallery = write_gallery(opened, target, force=force, make=make, told=show)
    stderr().print(_told(gallery, opened.spec.items, pictures=not no_thumbnails), soft_wrap=True)


def _maker(
    job: Job, stack: ExitStack, files_roots: tuple[str, ...], networks: tuple[str, ...], buckets: tuple[str, ...]
) -> MakeThumbnails:
    """Returns what makes thumbnails, until the stack is left."""
    # Whoever leaves pictures out needs none of the worker's packages.
    with needing("a gallery with pictures (--no-thumbnails leaves them out)", extra="worker"):
        from askpix.worker.access import Access
        from askpix.worker.thumbnails import Thumbnails
    settings = load_settings()
    access = Access.of(files_roots=files_roots or ("/",), networks=(*settings.allow_net, *networks), buckets=buckets)
    own_bucket = S3Location.parse(job.folder.uri).bucket if is_s3(job.folder.uri) else None
    thumbnails = Thumbnails(access, settings, own_bucket, tells_of_files=bool(files_roots))
    stack.callback(thumbnails.close)
    return thumbnails


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
