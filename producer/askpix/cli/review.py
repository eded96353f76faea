"""`askpix review` and `askpix correct`: answers to check by hand, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from askpix.cli.console import printable, stderr
from askpix.cli.shares import Share
from askpix.producer.correcting import Corrected, correct
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.locations import is_s3
from askpix.producer.review import Reviewed, write_review
from askpix.producer.whole_file import whole_file
from askpix.producer.words import counted

_SHOWN = 20
"""Refused corrections that are told of."""


@click.command()
@click.argument("job")
@click.option(
    "--below",
    type=Share(),
    default=0.6,
    show_default=True,
    metavar="P",
    help="Answers with less confidence.",
)
@click.option("--to", "target", required=True, metavar="FILE", help="A .csv file, or - for standard output.")
@click.option("--attribute", "attributes", multiple=True, metavar="NAME", help="Answers of that name. Repeatable.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The worst N alone.")
@click.option("--force", is_flag=True, help="Replace a file that exists already.")
def review(job: str, below: float, target: str, attributes: tuple[str, ...], limit: int | None, force: bool) -> None:
    """Write the answers of JOB that a person should check, the least sure first.

    A line for each answer: what it is, how sure, what else it may be, and an empty column `correction`, to be filled
    in with what is right, in a spreadsheet say. Then: askpix correct JOB FILE

    Answers that were corrected already are left out, and so are failed items: askpix retry JOB
    """
    opened = Job.open(job)
    if target == "-":
        reviewed = write_review(opened, sys.stdout.buffer, below=below, attributes=attributes, limit=limit)
        sys.stdout.buffer.flush()
    else:
        with whole_file(_table(target), force=force) as file:
            reviewed = write_review(opened, file, below=below, attributes=attributes, limit=limit)
    to = "standard output" if target == "-" else printable(target)
    stderr().print(f"{to}: {_told(reviewed)}", soft_wrap=True)


@click.command(name="correct")
@click.argument("job")
@click.argument("file", type=click.Path(path_type=Path))
def correct_command(job: str, file: Path) -> int:
    """Keep the corrections of a table that `askpix review` wrote, beside the answers of JOB.

    FILE is a .csv, .tsv or .jsonl with the columns id, attribute and correction; cells that are empty say nothing.
    Of several terms, commas stand between them, and `[]` or `none` says that none is so. The model's answers stay as
    they are; of several corrections of one answer, the newest counts.

    Exit code 1: some were refused, and the others kept.
    """
    opened = Job.open(job)
    done = correct(opened, file)
    for line in done.refused[:_SHOWN]:
        stderr().print(printable(line), soft_wrap=True)
    if len(done.refused) > _SHOWN:
        stderr().print(f"and {len(done.refused) - _SHOWN} more like these", soft_wrap=True)
    stderr().print(f"{printable(opened.folder.uri)}: {_outcome(done)}", soft_wrap=True)
    if not done.refused:
        return 0
    return 1 if done.kept or done.same else 2


def _table(target: str) -> Path:
    path = Path(target)
    if is_s3(target) or path.suffix.lower() != ".csv" or "\0" in target:
        raise InputError(
            f"{printable(target[:200])} is no place for a review: give a name here that ends in .csv, or -"
        )
    return path


def _told(reviewed: Reviewed) -> str:
    corrected = f"; {reviewed.corrected} were corrected already" if reviewed.corrected else ""
    return f"{counted(reviewed.answers, 'answer')} to check, of {reviewed.of}{corrected}"


def _outcome(done: Corrected) -> str:
    same = f", {done.same} there already" if done.same else ""
    refused = f", {len(done.refused)} refused: put them right and run it again" if done.refused else ""
    return f"{counted(done.kept, 'correction')} kept{same}{refused}"
