"""`askpix model`: prepares model folders."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import click
from rich.text import Text

from askpix.cli.console import stderr
from askpix.cli.ending import end_cleanly_on_signals
from askpix.cli.generating import generates, options_of
from askpix.cli.model_compare import compare
from askpix.cli.model_info import info
from askpix.cli.needing import needing
from askpix.cli.quantizing import Quantizing, quantized_shown, quantizes, refuse_quantizing_options
from askpix.cli.steps import steps_shown
from askpix.producer.errors import AskpixError
from askpix.producer.items import Options
from askpix.producer.queues import check_model_name
from askpix.worker.vlm.templates import TEMPLATES


@click.group()
def command() -> None:
    """Prepare and inspect model folders."""
    end_cleanly_on_signals()


command.add_command(compare)
command.add_command(info)

_TEMPLATES = "\b\nTemplates:\n" + "\n".join(f"  {name:<14}{one.summary}" for name, one in TEMPLATES.items())

_output = click.option(
    "--output", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="The new model folder."
)


@command.command(epilog=_TEMPLATES)
@click.argument("source")
@_output
@click.option("--name", help="What the model is called; by default the last part of SOURCE.")
@click.option(
    "--precision",
    type=click.Choice(("f32", "f16", "int8", "int4")),
    default="f32",
    show_default=True,
    help="How weights are stored: as they are, in half the room, or quantized, as the options below say; int4 is for"
    " vision-language models.",
)
@click.option(
    "--template",
    type=click.Choice(tuple(TEMPLATES)),
    metavar="NAME",
    help="How conversations are written, for a vision-language checkpoint that does not say; one of those below.",
)
@click.option(
    "--trust-remote-code",
    "trust",
    is_flag=True,
    help="Run code that comes with the checkpoint: some families' export needs that. Read the code first.",
)
@click.option(
    "--vision-tower",
    "tower",
    metavar="FOLDER",
    help="The image encoder, where a checkpoint that askpix reads by itself has it elsewhere: a folder, or a hub id."
    " By default the one that the checkpoint names.",
)
@click.option(
    "--context",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="The longest text, image and answer included, of a checkpoint that askpix reads by itself and that knows no"
    " longest one, as llava_mpt; by default that of its training.",
)
@generates
@quantizes
def convert(
    source: str,
    output: Path,
    name: str | None,
    precision: str,
    template: str | None,
    trust: bool,
    tower: str | None,
    context: int | None,
    quantizing: Quantizing,
    settings: dict[str, Any],
) -> None:
    """Convert a checkpoint to a model folder.

    SOURCE is a local checkpoint or a hub id, such as

    \b
      Salesforce/blip-vqa-base    a BLIP, for questions, captions or matching
      llava-hf/llava-1.5-7b-hf    a LLaVA, LLaVA-NeXT, Qwen2-VL or Qwen2.5-VL
      liuhaotian/LLaVA-Lightning-MPT-7B-preview    a LLaVA on MPT

    It needs `pip install 'askpix[convert]'`; for the others `askpix[convert,vlm]`, and for the second kind once
    `askpix model export-env`. Of the options below, those that say how texts are generated become the model's defaults;
    --decoder and --min-agreement are for BLIP, and --images, of the others, for int4 (--samples 32).
    """
    generation = options_of(settings)
    if name is not None:
        check_model_name(name)
    with needing("converting"):
        from askpix.worker.converting.checkpoint_family import family_of

        family = family_of(source)
        if family is not None and not family.startswith("blip"):
            from askpix.cli.converting_vlm import convert as convert_vlm
            from askpix.worker.converting.conversion import Conversion
            from askpix.worker.converting.naming import name_for
            from askpix.worker.converting.weights import Weights

            conversion = Conversion(
                family=family,
                source=source,
                output=output,
                name=name or name_for(source),
                weights=Weights(precision=precision),
                template=template,
                trust=trust,
                tower=tower,
                context=context,
                generation=generation,
            )
            convert_vlm(conversion, quantizing)
            _folder_shown(output)
            return
    if template or trust or tower or context or precision == "int4":
        raise AskpixError(
            "--template, --trust-remote-code, --vision-tower, --context and --precision int4 are for vision-language"
            " models"
        )
    _convert_blip(source, output, name, precision, quantizing, generation)


def _convert_blip(
    source: str, output: Path, name: str | None, precision: str, quantizing: Quantizing, generation: Options
) -> None:
    if precision == "int8":
        quantizing.check()
        _convert_and_quantize(source, output, name, quantizing, generation)
        return
    refuse_quantizing_options("--precision int8")
    with needing("converting"), _converting(source):
        from askpix.worker.converting.convert import convert as convert_checkpoint

        weights: Literal["f32", "f16"] = "f16" if precision == "f16" else "f32"
        convert_checkpoint(source, output, name=name, weights=weights, generation=generation)
    _folder_shown(output)


def _convert_and_quantize(
    source: str, output: Path, name: str | None, quantizing: Quantizing, generation: Options
) -> None:
    with needing("converting"):
        from askpix.worker.converting.convert import convert as convert_checkpoint
        from askpix.worker.converting.staging import check_output

        check_output(output, name or "model")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-whole-") as temporary:
            whole = Path(temporary) / "whole"
            with _converting(source):
                convert_checkpoint(source, whole, name=name, generation=generation)
            _quantize(whole, output, name, quantizing)


def _converting(source: str) -> AbstractContextManager[object]:
    """Says that it is done, for as long as it is."""
    return stderr().status(Text(f"loading and converting {source}"))


@command.command("export-env")
def export_env() -> None:
    """Make the environment in which vision-language models are exported.

    It is a virtual environment of its own, of 1.6 GB, since the export needs older packages than the rest: in
    ~/.local/share/askpix, or where ASKPIX_EXPORT_ENV says. One that is there and complete stays as it is.
    """
    from askpix.producer.settings import load_settings
    from askpix.worker.converting.export_env import make_export_env

    folder = load_settings().export_folder()
    with stderr().status(Text("looking")) as shown:
        make_export_env(folder, lambda what: shown.update(Text(what)))
    stderr().print(f"{folder}: ready", soft_wrap=True)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_output
@click.option("--name", help="What the model is called; by default the folder's name with -int8 or -int4.")
@quantizes
def quantize(folder: Path, output: Path, name: str | None, quantizing: Quantizing) -> None:
    """Quantize a model folder: a smaller and faster one that says the same.

    The image encoder and the question encoder come to compute in INT8, calibrated on your images and questions;
    the text decoder's weights are stored in INT8 or INT4. Some of the images are held out, and asked about before
    and after. Needs `pip install 'askpix[convert]'`.
    """
    if name is not None:
        check_model_name(name)
    quantizing.check()
    with needing("quantizing"):
        _quantize(folder, output, name, quantizing)


def _quantize(folder: Path, output: Path, name: str | None, quantizing: Quantizing) -> None:
    with steps_shown() as told:
        manifest = quantizing.quantize(folder, output, name, told)
    quantized_shown(manifest)
    _folder_shown(output)


def _folder_shown(folder: Path) -> None:
    from askpix.worker.models.folder import read_manifest

    manifest = read_manifest(folder)
    size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
    abilities = ", ".join(sorted(manifest.abilities))
    stderr().print(f"{folder}: {manifest.name}, {size:.0f} MB, {abilities}")
