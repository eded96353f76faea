"""How `askpix model convert` converts vision-language models."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from rich.text import Text

from askpix.cli.console import printable, stderr
from askpix.cli.needing import needing
from askpix.cli.quantizing import Quantizing
from askpix.cli.sampling import access_for, unused
from askpix.producer.errors import AskpixError, ModelError
from askpix.producer.inputs import Input
from askpix.producer.settings import load_settings

if TYPE_CHECKING:
    from askpix.worker.converting.conversion import Conversion

_SAMPLES = 32
"""Images on which scales are estimated, unless it is said: each goes through the whole model."""

_GROUP_SIZE, _RATIO = 64, 0.8

_FOR_BLIP = {"decoder": "--decoder", "min_agreement": "--min-agreement"}


def convert(conversion: Conversion, quantizing: Quantizing) -> None:
    """Converts a vision-language checkpoint, its weights as the options say too; raises AskpixError."""
    from askpix.worker.converting.export_env import python_of
    from askpix.worker.converting.staging import check_output
    from askpix.worker.converting.vlm_convert import check_family, convert_vlm
    from askpix.worker.models.family import FAMILIES

    _refuse_options(conversion.weights.precision)
    check_family(conversion)
    check_output(conversion.output, conversion.name)
    python = None if FAMILIES[conversion.family].reader else python_of(load_settings().export_folder())
    with (
        needing("converting", extra="convert,vlm"),
        _pictures(quantizing) as (images, questions),
        stderr().status(Text("starting")) as shown,
    ):
        weights = replace(
            conversion.weights,
            group_size=quantizing.group_size or _GROUP_SIZE,
            ratio=_RATIO if quantizing.ratio is None else quantizing.ratio,
            images=images,
            questions=questions,
        )
        convert_vlm(replace(conversion, python=python, weights=weights), lambda what: shown.update(Text(what)))


def _refuse_options(precision: str) -> None:
    """Raises AskpixError where an option was given that says nothing of this kind of model, or of its weights."""
    context = click.get_current_context()

    def given(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.COMMANDLINE

    for name, flag in _FOR_BLIP.items():
        if given(name):
            raise AskpixError(f"{flag} is for BLIP models")
    if precision != "int4":
        for name, flag in {"group_size": "--group-size", "ratio": "--ratio", "images": "--images"}.items():
            if given(name):
                raise AskpixError(f"{flag} is for --precision int4")
    if not given("images") and (given("samples") or given("questions_file")):
        raise AskpixError("--samples and --questions are for --images")


@contextmanager
def _pictures(quantizing: Quantizing) -> Iterator[tuple[tuple[Path, ...], tuple[str, ...]]]:
    """Yields files of the images that scales are estimated on, and what is asked of them."""
    if quantizing.images is None:
        yield (), ()
        return
    from PIL import Image

    from askpix.worker.converting.samples import Samples
    from askpix.worker.image_form import ImageForm

    source = Input(quantizing.images)
    access = access_for(source, quantizing.opening)
    samples = Samples(source, ImageForm(width=None, height=None), access)
    given = click.get_current_context().get_parameter_source("samples") is ParameterSource.COMMANDLINE
    wanted = quantizing.samples if given else _SAMPLES
    with tempfile.TemporaryDirectory(prefix="askpix-images-") as folder:
        files: list[Path] = []
        for pixels in samples:
            files.append(Path(folder) / f"{len(files)}.png")
            Image.fromarray(pixels).save(files[-1], compress_level=1)
            if len(files) == wanted:
                break
        if note := unused(samples):
            stderr().print(f"not used: {note}", soft_wrap=True)
        if not files:
            raise ModelError(f"no image of {printable(quantizing.images)} could be read")
        yield tuple(files), quantizing.questions() or samples.questions(len(files))
