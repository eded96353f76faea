"""`askpix export`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial

import click

from askpix.cli.console import printable, stderr
from askpix.cli.needing import needing
from askpix.cli.opening import Opening, opens, reading_again
from askpix.producer.columns import Columns
from askpix.producer.errors import AskpixError
from askpix.producer.export import Exported, Wishes, export, export_lines
from askpix.producer.export.forms import FORMS
from askpix.producer.export.originals import ReadOriginals
from askpix.producer.followed import Job
from askpix.producer.words import counted


@click.command()
@click.argument("job")
@click.option("--to", "target", required=True, metavar="FILE", help="A file, a folder, or - for standard output.")
@click.option(
    "--form",
    type=click.Choice([form.name for form in FORMS]),
    help="What it is to hold, where its name does not say: "
    + "; ".join(f"{form.name} ({form.said})" for form in FORMS)
    + ".",
)
@click.option(
    "--groups", is_flag=True, help="A row for each group: the answers of its images together. Makes a wide table."
)
@click.option("--since", metavar="JOB", help="Leave out what says the same as in this earlier job.")
@click.option(
    "--merge",
    metavar="LIST",
    help="Your own list again, each of its rows with the answers at its end; in the form that the list has.",
)
@click.option("--image-column", metavar="NAME", help="The column of images of --merge, as it was given to the job.")
@click.option("--id-column", metavar="NAME", help="Its column of ids, as it was given to the job.")
@click.option("--group-column", metavar="NAME", help="Its column of groups, as it was given to the job.")
@click.option("--excel", is_flag=True, help="Begin a .csv with the mark by which Excel knows that it is UTF-8.")
@click.option("--force", is_flag=True, help="Replace files that exist already.")
@opens
def command(
    job: str,
    target: str,
    form: str | None,
    groups: bool,
    since: str | None,
    merge: str | None,
    image_column: str | None,
    id_column: str | None,
    group_column: str | None,
    excel: bool,
    force: bool,
    opening: Opening,
) -> None:
    """Write the results of JOB as a table, as lines, beside the images or with them.

    \b
      answers.csv         a line for each answer and each error
      all.jsonl           a line for each item, with all that is known of it;
                          - for standard output
      all.parquet         the same rows, as results/ has them
      training/           a file `mug.txt` for the image `mug.jpg`, for
                          training sets; may be the images' own folder
      train.tar           train-000000.tar and so on, for WebDataset
    With --form wide, a .csv, .tsv, .jsonl or .parquet file:
      tags.csv            a row for each item, two columns for each question
    With --form json or --form imagefolder, a folder:
      shop/               JSON files, or images and metadata.jsonl

    .csv, .tsv and .jsonl may also end in .gz. Files are called as their images, in the same folders where the
    list has relative paths, and end in -2 where another image took the name. Failed items get none. Images are
    read again, from where --files-root, --allow-net and --allow-bucket allow it; without --files-root, from any
    folder. Only those that are still what was answered are exported.

    \b
    A row for each product, and only those that changed since yesterday:
      askpix export today --to tags.csv --groups --since yesterday
    Your own list, with the answers at the end of its rows:
      askpix export today --to tagged.csv --merge list.csv
    """
    opened = Job.open(job)
    wishes = Wishes(
        form=form,
        groups=groups,
        since=None if since is None else Job.open(since).folder,
        merge=merge,
        columns=Columns(image=image_column, id=id_column, group=group_column),
        excel=excel,
        places=bool(opening),
    )
    if target == "-":
        if wishes != Wishes():
            raise AskpixError("standard output gets all that is known of each item: leave out the other options")
        exported = export_lines(opened.folder, sys.stdout.buffer)
    else:
        with ExitStack() as stack:
            read = partial(_reader, opened, opening, stack)
            exported = export(opened.folder, target, force=force, wishes=wishes, reader=read)
    to = "standard output" if target == "-" else printable(target)
    stderr().print(f"{to}: {_told(exported, opened.spec.items)}", soft_wrap=True)


def _reader(job: Job, opening: Opening, stack: ExitStack) -> ReadOriginals:
    """Returns what reads images again, until the stack is left."""
    # Whoever exports no images needs none of the worker's packages.
    with needing("an export that holds the images", extra="worker"):
        from askpix.worker.originals import Originals
    return reading_again(Originals, job, opening, stack)


def _told(exported: Exported, expected: int) -> str:
    missing = 0 if exported.of is None else expected - exported.of
    notes = [*exported.notes, *([f"{missing} without a result yet"] if missing > 0 else [])]
    if exported.files is None:
        return "; ".join([counted(exported.items, exported.noun), *notes])
    said = f"{counted(exported.files, exported.noun)} for {counted(exported.items, 'item')}"
    without = [f"none for {exported.without} without an answer"] if exported.without else []
    renamed = [f"{exported.renamed} with a number at the end, as the name was taken"] if exported.renamed else []
    return "; ".join([said, *without, *renamed, *notes])
