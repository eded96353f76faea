"""`askpix export`."""

from __future__ import annotations

from pathlib import Path

import click

from askpix.cli.console import stderr
from askpix.producer.export import export
from askpix.producer.followed import Job


@click.command()
@click.argument("job")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A new .csv or .jsonl file."
)
def command(job: str, target: Path) -> None:
    """Write the results of JOB into one file.

    .jsonl has a line for each item, with all that is known of it; .csv a line for each answer.
    """
    opened = Job.open(job)
    count = export(opened.results, target)
    missing = opened.spec.items - count
    note = f"; {missing} have no result yet" if missing else ""
    stderr().print(f"{target}: {count} items{note}")
