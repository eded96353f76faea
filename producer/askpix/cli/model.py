"""`askpix model`."""

from __future__ import annotations

from pathlib import Path

import click

from askpix.cli.console import stderr
from askpix.producer.errors import AskpixError
from askpix.producer.items import check_model_name


@click.group()
def command() -> None:
    """Prepare model folders."""


@command.command()
@click.argument("source")
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="New model folder.")
@click.option("--name", help="What the model is called; by default the last part of SOURCE.")
@click.option(
    "--weights",
    type=click.Choice(("f32", "f16")),
    default="f32",
    show_default=True,
    help="How weights are stored: as they are, or in half the room.",
)
def convert(source: str, output: Path, name: str | None, weights: str) -> None:
    """Convert a BLIP checkpoint to a model folder.

    SOURCE is a local checkpoint or a hub id such as Salesforce/blip-vqa-base, of the class
    BlipForQuestionAnswering or BlipForConditionalGeneration. Needs `pip install 'askpix[convert]'`.
    """
    if name is not None:
        check_model_name(name)
    with stderr().status(f"loading and converting {source}"):
        try:
            from askpix.worker.models.convert import convert as convert_checkpoint
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("askpix"):
                raise
            raise AskpixError(
                f"converting needs the package {error.name}: run `pip install 'askpix[convert]'`"
            ) from None
        manifest = convert_checkpoint(source, output, name=name, weights="f16" if weights == "f16" else "f32")
    size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
    abilities = ", ".join(sorted(manifest.abilities))
    stderr().print(f"{output}: {manifest.name}, {size:.0f} MB, {abilities}")
