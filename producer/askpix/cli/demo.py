"""`askpix demo`: pictures to try everything with."""

from __future__ import annotations

from pathlib import Path

import click

from askpix.cli.console import printable
from askpix.worker.demo import copy_pictures


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo/images"))
def command(folder: Path) -> None:
    """Write the demo's pictures into FOLDER, to try things with.

    48 pictures of a drawn shop catalogue, which the demo model knows, and lists:
    questions.jsonl asks of each, truth.jsonl says what is right, catalogue.csv is
    a shop's. FOLDER is demo/images by default, where the documentation looks for
    them; what is there already stays as it is.
    """
    files = copy_pictures(folder)
    pictures = sum(file.suffix == ".jpg" for file in files)
    click.echo(f"{printable(str(folder))}: {pictures} pictures and {len(files) - pictures} lists", err=True)
    click.echo(f"Next:    askpix run {printable(str(folder / 'questions.jsonl'))} --output demo-job", err=True)
