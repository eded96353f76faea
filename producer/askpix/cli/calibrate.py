"""`askpix calibrate`: makes the confidence of a sheet's answers the share of them that is right."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from askpix.cli.console import printable, stderr, stdout, table_row
from askpix.cli.needing import needing
from askpix.cli.shares import Share
from askpix.producer.errors import InputError, SheetError, StorageError
from askpix.producer.followed import Job
from askpix.producer.questions import Question
from askpix.producer.results import Results
from askpix.producer.sheets.reading import read_questions
from askpix.producer.whole_file import whole_file

if TYPE_CHECKING:
    from askpix.producer.calibrating.calibrate import Found

_WIDTH = 80
_SHOWN = 20
"""Refused labels that are told of."""


@click.command()
@click.argument("sheet", type=click.Path(path_type=Path))
@click.option("--job", "job_uri", required=True, metavar="JOB", help="A job that ran with the sheet.")
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(path_type=Path),
    metavar="LIST",
    help="A .csv, .tsv or .jsonl with what is right: a column id or image, and one for each attribute.",
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), metavar="NEWSHEET", help="Write there, and leave SHEET as it is."
)
@click.option(
    "--report", "report", type=click.Path(path_type=Path), metavar="FILE", help="Figures as .json; diagrams as .html."
)
@click.option(
    "--precision",
    type=Share(),
    default=0.98,
    show_default=True,
    metavar="P",
    help="The share that is to be right of the answers which go unchecked.",
)
@click.option("--force", is_flag=True, help="Replace files of --to and --report that exist already.")
def command(
    sheet: Path,
    job_uri: str,
    labels_file: Path | None,
    target: Path | None,
    report: Path | None,
    precision: float,
    force: bool,
) -> int:
    """Fit the confidence of the attributes of SHEET to answers of which the right ones are known.

    They are known by --labels, and by corrections of JOB (askpix correct). What is found is written into SHEET, under
    `calibration`; where an attribute is not better for it, it has none. Figures before and after are of answers that
    the calibration was not fitted to.

    Jobs that use the sheet from then on have calibrated confidences; no image is asked about again that is in the
    cache.
    """
    _check(target, report)
    with needing("calibrating", extra="worker"):
        from askpix.producer.calibrating.calibrate import calibrate
        from askpix.producer.calibrating.labels import Labels, read_labels
    questions = read_questions(sheet)
    job = Job.open(job_uri)
    labels = Labels() if labels_file is None else read_labels(labels_file, questions)
    labels.refuse_twins(Results.of(job.folder).ids())
    for line in labels.refused[:_SHOWN]:
        stderr().print(printable(line), soft_wrap=True)
    if (more := len(labels.refused) + labels.refused_too - _SHOWN) > 0:
        stderr().print(f"and {more} more like these", soft_wrap=True)
    found = calibrate(job, questions, labels, precision=precision)
    _shown(found, precision)
    if report is not None:
        with whole_file(report, force=force) as file:
            file.write(_reported(report, job.folder.uri, found, precision))
    write_calibrated(sheet, target, questions, found, force=force)
    return 1 if labels.refused else 0


def _check(target: Path | None, report: Path | None) -> None:
    """Says of names that nothing can be written to, before the work."""
    if report is not None and report.suffix.lower() not in (".html", ".json"):
        raise InputError(f"{report} is no name for a report: let it end in .html or .json")
    if target is not None and report is not None and target.absolute() == report.absolute():
        raise InputError(f"{target} cannot be the sheet and the report")


def write_calibrated(
    sheet: Path, target: Path | None, questions: Sequence[Question], found: Sequence[Found], *, force: bool
) -> None:
    """Writes a sheet with what was found, and says how much that was.

    Raises:
        InputError: the sheet is written in a way in which nothing can be put.
        StorageError: it cannot be read, or the new one not be written.
    """
    from askpix.producer.calibrating.writing import with_calibrations

    calibrations = {each.title: each.calibration for each in found}
    try:
        data = sheet.read_bytes()
    except OSError as error:
        raise StorageError(f"{sheet} cannot be read: {(error.strerror or str(error)).lower()}") from None
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    text = with_calibrations(data.removeprefix(mark).decode(), calibrations)
    made = mark + text.encode()
    # Where a link leads: it stays a link.
    path = (target or sheet).resolve()
    if target is None and made == data:
        stderr().print(f"{printable(str(sheet))} stays as it is", soft_wrap=True)
        return
    expected = [_calibrated(question, calibrations) for question in questions]
    with whole_file(path, force=force or target is None) as file:
        os.fchmod(file.fileno(), sheet.stat().st_mode & 0o777)
        file.write(made)
        file.flush()
        if not _reads(Path(file.name), expected):
            raise InputError(
                f"{sheet} is written in a way in which no calibration can be put (anchors and aliases, say); it stays "
                "as it is: write each attribute out in full"
            )
    count = sum(each.calibration is not None for each in found)
    stderr().print(f"{printable(str(target or sheet))}: {count} of {len(found)} attributes calibrated", soft_wrap=True)


def _reads(file: Path, expected: Sequence[Question]) -> bool:
    """Whether a file holds these questions; what it has for mistakes is of a name that its user does not know."""
    try:
        return read_questions(file) == expected
    except SheetError:
        return False


def _calibrated(question: Question, calibrations: dict[str, Any]) -> Question:
    if question.title not in calibrations:
        return question
    return question.model_copy(update={"calibration": calibrations[question.title]})


def _reported(report: Path, uri: str, found: Sequence[Found], precision: float) -> bytes:
    if report.suffix.lower() == ".html":
        from askpix.producer.calibrating.page import calibration_page

        return calibration_page(uri, found, precision).encode()
    attributes = [
        {**asdict(each), "calibration": None if each.calibration is None else each.calibration.model_dump(mode="json")}
        for each in found
    ]
    told = {"job": uri, "precision": precision, "attributes": attributes}
    return json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _shown(found: Sequence[Found], precision: float) -> None:
    from askpix.producer.calibrating.page import lines_of

    table = Table(box=None, pad_edge=False, width=_WIDTH)
    table.add_column("attribute", overflow="fold", ratio=1)
    for name in ("examples", "right", "calibration\nerror", f"unchecked at\n{precision:.4g} right", "above"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        for name, before, after in lines_of(each):
            cells = [""] * 4
            if before is not None and after is not None:
                cells = [
                    f"{before.accuracy * 100:.1f} -> {after.accuracy:.1%}",
                    f"{before.ece:.3f} -> {after.ece:.3f}",
                    f"{before.coverage * 100:.0f} -> {after.coverage:.0%}",
                    "" if after.above is None else f"{after.above:.2f}",
                ]
            table_row(table, name, f"{each.examples:,}", *cells)
    stdout().print(table)
    for each in found:
        for note in each.notes:
            stderr().print(f"{printable(each.title)}: {printable(note)}", soft_wrap=True)
