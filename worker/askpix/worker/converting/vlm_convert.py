"""Vision-language checkpoints to model folders: converted, then looked at from all sides.

What an export leaves out, or says differently, makes a model answer differently without an error; so nothing becomes a
model folder whose image settings, tokens, conversations or weights are not what the checkpoint's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.shown import first_problem
from askpix.worker.converting.conversion import Conversion
from askpix.worker.converting.export_order import ordered
from askpix.worker.converting.staging import check_output, sealed, staged
from askpix.worker.converting.vlm_checks import check_files, check_slopes, check_tokens, check_weights, template_of
from askpix.worker.converting.vlm_facts import facts_of, generation_of
from askpix.worker.converting.weights import Weights
from askpix.worker.engine.base import Ability
from askpix.worker.models.family import FAMILIES
from askpix.worker.models.vlm_manifest import (
    Compression,
    FixedTokens,
    Language,
    ScaledTokens,
    TiledTokens,
    VlmManifest,
)
from askpix.worker.vlm.templates import template_named

_TEXTS = ("  two  spaces\nand a line", "Größe? 色は何ですか ✓", "it isn't 3.14 .")
"""What tokenizers differ in, if they do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """What became of a checkpoint, beside the files."""

    template: str
    image_tokens: FixedTokens | TiledTokens | ScaledTokens
    language: Language
    tokenized: Sequence[Mapping[str, Any]]
    """Texts, and the tokens that the checkpoint's tokenizer makes of them."""

    reserved: Sequence[str]
    versions: dict[str, str]


def convert_vlm(conversion: Conversion, told: Callable[[str], None] = lambda _: None) -> VlmManifest:
    """Converts a checkpoint to a model folder; returns its manifest.

    Args:
        told: is told what is being done.

    Raises:
        ModelError: the checkpoint cannot be converted, what came of it is not as it should be, or the output is taken.
    """
    check_family(conversion)
    check_output(conversion.output, conversion.name)
    reader, weights = FAMILIES[conversion.family].reader, conversion.weights
    if reader is None and (conversion.tower is not None or conversion.context is not None):
        raise ModelError(
            f"a model of type {conversion.family} brings its image encoder, and says itself how long texts can be"
        )
    with staged(conversion.output) as folder:
        made = _exported(conversion, folder, told) if reader is None else _read(conversion, folder, reader, told)
        told("looking at what was made")
        check_weights(folder, weights)
        check_tokens(folder, made.tokenized)
        try:
            manifest = VlmManifest(
                kind="vlm",
                name=conversion.name,
                abilities=frozenset((Ability.CAPTION, Ability.ANSWER, Ability.CHOICES, Ability.CHAT)),
                source=Path(conversion.source).name if Path(conversion.source).exists() else conversion.source,
                family=conversion.family,
                template=made.template,
                image_tokens=made.image_tokens,
                reserved=tuple(made.reserved),
                language=made.language,
                precision=weights.precision,
                compression=_compression(weights),
                generation=generation_of(folder, conversion.generation, made.language.context),
                versions=made.versions,
                files={},
                fingerprint="",
            )
        except ValidationError as error:
            raise ModelError(f"the checkpoint's config.json cannot be used: {first_problem(error)}") from None
        return sealed(folder, manifest)


def _read(conversion: Conversion, folder: Path, reader: str, told: Callable[[str], None]) -> _Made:
    """Has the family's own module read the checkpoint."""
    told("loading torch")
    from askpix.worker.converting import vlm_parts

    weights, template = conversion.weights, conversion.template
    load = import_module(f"askpix.worker.converting.{reader}").load
    parts = load(
        conversion.source,
        tower=conversion.tower,
        context=conversion.context,
        kept=vlm_parts.kept_in(weights),
        told=told,
    )
    own, chosen = (template_named(name) for name in (parts.template, template or parts.template))
    if chosen.tag != own.tag:
        raise ModelError(
            f"the template {template} writes an image as {chosen.tag}, which models of type {conversion.family} do not "
            f"know: they are shown it as {own.tag}"
        )
    parts = replace(parts, template=template or parts.template)
    vlm_parts.write_parts(parts, folder, weights, told)
    check_files(folder)
    check_slopes(folder, parts.slopes)
    return _Made(
        template=parts.template,
        image_tokens=FixedTokens(tokens=parts.image_tokens, edge=parts.edge),
        language=parts.language,
        tokenized=vlm_parts.tokenized(parts, [*_prompts(parts.template), *_TEXTS]),
        reserved=vlm_parts.reserved(parts),
        versions=vlm_parts.versions(),
    )


def _exported(conversion: Conversion, folder: Path, told: Callable[[str], None]) -> _Made:
    """Has the export environment convert the checkpoint."""
    assert conversion.python is not None
    source, weights, template = conversion.source, conversion.weights, conversion.template
    order = {
        "source": str(Path(source).resolve()) if Path(source).exists() else source,
        "output": str(folder),
        "family": conversion.family,
        "weights": weights.precision,
        "trust": conversion.trust and FAMILIES[conversion.family].trusted,
        "group_size": weights.group_size,
        "ratio": weights.ratio,
        "images": [str(path) for path in weights.images],
        "prompts": [] if template is None else _prompts(template),
        "texts": list(weights.questions) or ["Describe the image in one sentence."],
    }
    report = ordered(conversion.python, order, told)
    check_files(folder)
    # First: of a checkpoint that has no template, and was given none, no image was counted.
    written = template_of(report["rendered"], template)
    image_tokens, language = facts_of(folder, report["counts"])
    return _Made(
        template=written,
        image_tokens=image_tokens,
        language=language,
        tokenized=report["tokenized"],
        reserved=report["reserved"],
        versions=report["versions"],
    )


def check_family(conversion: Conversion) -> None:
    """Raises ModelError where checkpoints of a model_type are not converted, or only with code of theirs."""
    source, family = conversion.source, conversion.family
    known = FAMILIES.get(family)
    if known is None:
        raise ModelError(f"{source} is a model of type {family}; askpix converts blip, {', '.join(FAMILIES)}")
    if known.trusted and not conversion.trust:
        raise ModelError(
            f"{source} is a model of type {family}, which runs code from the checkpoint: read that code, "
            "and give --trust-remote-code if you trust it"
        )


def _prompts(template: str) -> list[str]:
    """Returns questions as a template writes them."""
    chosen = template_named(template)
    return [
        chosen.prompt(text, image=chosen.image) for text in ("what is it?", "Describe  it:\ncolours, größe & more.")
    ]


def _compression(weights: Weights) -> Compression | None:
    if weights.precision not in ("int8", "int4"):
        return None
    if weights.precision == "int8":
        return Compression(group_size=-1, ratio=1.0, images=0)
    return Compression(group_size=weights.group_size, ratio=weights.ratio, images=len(weights.images))
