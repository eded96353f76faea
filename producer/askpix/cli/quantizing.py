"""The options that say how a model is quantized: the same for `model quantize` and `model convert`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from askpix.cli.console import stderr
from askpix.cli.opening import Opening
from askpix.cli.options import access_options, gathered, stacked
from askpix.cli.questions import texts_asked
from askpix.cli.sampling import samples_for, unused
from askpix.cli.shares import Share
from askpix.producer.errors import AskpixError, ModelError
from askpix.producer.inputs import Input
from askpix.producer.words import counted

if TYPE_CHECKING:
    from askpix.worker.converting.told import Told
    from askpix.worker.models.blip_manifest import BlipManifest

_QUESTIONS = 100
"""Of a list's own questions, how many a model is calibrated with at the most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantizing:
    """What the options say."""

    images: str | None
    questions_file: Path | None
    samples: int
    decoder: str
    group_size: int | None
    ratio: float | None
    min_agreement: float
    opening: Opening

    def check(self) -> None:
        """Raises AskpixError where options are missing or contradict each other."""
        if self.images is None:
            raise AskpixError("quantizing needs images of the kind that the model will see: name them with --images")
        if self.decoder != "int4" and (self.group_size, self.ratio) != (None, None):
            raise AskpixError("--group-size and --ratio are for --decoder int4")
        # Before the minutes that converting takes.
        Input(self.images)
        self.questions()

    def quantize(self, folder: Path, output: Path, name: str | None, told: Told) -> BlipManifest:
        """Quantizes a model folder; raises AskpixError."""
        from askpix.worker.converting.compressing import DecoderWeights
        from askpix.worker.converting.quantize import Check, quantize

        samples = samples_for(folder, self.images or "", self.opening)
        given = {"group_size": self.group_size, "ratio": self.ratio}
        weights: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        try:
            manifest = quantize(
                folder,
                output,
                samples,
                questions=self.questions() or samples.questions(_QUESTIONS) or None,
                samples=self.samples,
                name=name,
                decoder=DecoderWeights(bits=4 if self.decoder == "int4" else 8, **weights),
                check=Check(min_agreement=self.min_agreement),
                told=told,
            )
        except ModelError as error:
            if note := unused(samples):
                raise ModelError(f"{error}; there are also {note}") from None
            raise
        if note := unused(samples):
            stderr().print(f"not used: {note}", soft_wrap=True)
        return manifest

    def questions(self) -> tuple[str, ...]:
        """Returns what the file of questions asks; nothing where there is none."""
        return texts_asked(self.questions_file) if self.questions_file else ()


def refuse_quantizing_options(condition: str) -> None:
    """Raises AskpixError where one of the options was given to the command that runs, though it quantizes nothing."""
    context = click.get_current_context()
    own = {field.name for kind in (Quantizing, Opening) for field in fields(kind)}
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in own and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise AskpixError(f"{parameter.opts[0]} is for {condition}")


def quantized_shown(manifest: BlipManifest) -> None:
    """Prints what came of quantizing."""
    quantization = manifest.quantization
    assert quantization is not None
    assert quantization.agreement is not None
    whole = [one.replace("_", " ") for one, stored in quantization.components.items() if not stored.startswith("int")]
    if whole:
        stderr().print(f"left as it was, for it cost too much: the {' and the '.join(whole)}", soft_wrap=True)
    found = quantization.agreement
    alike = " and ".join(f"{share:.1%} of the {what}" for what, share in found.shares.items())
    stderr().print(
        f"calibrated on {counted(quantization.images, 'image')}; of {found.images} others, {alike} are as before",
        soft_wrap=True,
    )


_options = stacked(
    click.option(
        "--images",
        metavar="INPUT",
        help="Images of the kind that the model will see: a folder, or a list as `askpix run` takes it.",
    ),
    click.option(
        "--questions",
        "questions_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A YAML list of questions of the kind that will be asked; by default the list's own, or else some of"
        " askpix.",
    ),
    click.option(
        "--samples",
        type=click.IntRange(min=1),
        default=300,
        show_default=True,
        metavar="N",
        help="Images to calibrate on.",
    ),
    click.option(
        "--decoder",
        type=click.Choice(("int8", "int4")),
        default="int8",
        show_default=True,
        help="How the text decoder's weights are stored.",
    ),
    click.option(
        "--group-size", type=click.IntRange(min=1), metavar="N", help="Of int4: how many weights share a scale; 64."
    ),
    click.option(
        "--ratio",
        type=Share(from_zero=True),
        metavar="SHARE",
        help="Of int4: the share of weights in 4 bits, the rest having 8; 0.8.",
    ),
    click.option(
        "--min-agreement",
        type=Share(from_zero=True),
        default=0.97,
        show_default=True,
        metavar="SHARE",
        help="Share of captions, and of answers, about images held out that must be as before; below it, what costs"
        " the most is left as it was.",
    ),
    access_options,
)


def quantizes(function: Callable[..., Any]) -> Any:
    """Gives a command the options, and the function behind it one `quantizing` for them all."""
    return gathered("opening", Opening, stacked())(gathered("quantizing", Quantizing, _options)(function))
