"""Vision-language checkpoints to model folders: exported apart, then looked at from all sides.

What an export leaves out, or says differently, makes a model answer differently without an error; so nothing becomes a
model folder whose image settings, tokens, conversations or weights are not what the checkpoint's are.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from askpix.producer.errors import ModelError
from askpix.producer.generation import Generation
from askpix.producer.items import first_problem
from askpix.worker.engine.base import Ability
from askpix.worker.models import export_script
from askpix.worker.models.staging import check_output, sealed, staged
from askpix.worker.models.vlm_checks import check_files, check_tokens, check_weights, template_of
from askpix.worker.models.vlm_facts import EXPORTED, TRUSTED, generation_of, image_tokens_of, language_of, turn_grids
from askpix.worker.models.vlm_manifest import Compression, VlmManifest
from askpix.worker.vlm.templates import template_named

_TAIL = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """How weights are stored."""

    precision: str = "f16"
    """f32, f16, int8 or int4."""

    group_size: int = 64
    """Of int4: how many weights share a scale; -1 for those of a whole channel."""

    ratio: float = 1.0
    """Of int4: the share of the language model's weights in 4 bits, the rest having 8."""

    images: tuple[Path, ...] = ()
    """Of int4: on which scales are estimated."""

    questions: tuple[str, ...] = ()
    """What is asked of them meanwhile."""


def convert_vlm(
    source: str,
    output: Path,
    *,
    family: str,
    python: Path,
    name: str,
    weights: Weights,
    trust: bool = False,
    template: str | None = None,
    generation: Generation | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> VlmManifest:
    """Converts the checkpoint of a local folder or a hub id to a model folder; returns its manifest.

    Args:
        family: the checkpoint's model_type.
        python: of the export environment.
        trust: run code that comes with the checkpoint, where its family needs that.
        template: how conversations are written, where the checkpoint does not say; a name of `vlm.templates`.
        generation: what becomes the model's defaults.
        told: is told what is being done.

    Raises:
        ModelError: the checkpoint cannot be exported, what came of it is not as it should be, or the output is taken.
    """
    check_family(family, source, trust=trust)
    check_output(output, name)
    with staged(output) as folder:
        order = {
            "source": str(Path(source).resolve()) if Path(source).exists() else source,
            "output": str(folder),
            "family": family,
            "weights": weights.precision,
            "trust": trust and family in TRUSTED,
            "group_size": weights.group_size,
            "ratio": weights.ratio,
            "images": [str(path) for path in weights.images],
            "prompts": [] if template is None else _prompts(template),
            "texts": list(weights.questions) or ["Describe the image in one sentence."],
        }
        report = _exported(python, order, told)
        told("looking at what was exported")
        check_files(folder)
        turn_grids(folder)
        check_weights(folder, weights.precision)
        chosen = template_of(report["rendered"], template)
        check_tokens(folder, report["tokenized"])
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        language = language_of(config)
        try:
            manifest = VlmManifest(
                kind="vlm",
                name=name,
                abilities=frozenset((Ability.CAPTION, Ability.ANSWER, Ability.CHOICES, Ability.CHAT)),
                source=Path(source).name if Path(source).exists() else source,
                family=family,
                template=chosen,
                image_tokens=image_tokens_of(folder, config, report["counts"]),
                reserved=tuple(report["reserved"]),
                language=language,
                precision=weights.precision,
                compression=_compression(weights),
                generation=generation_of(folder, generation, language.context),
                versions=report["versions"],
                files={},
                fingerprint="",
            )
        except ValidationError as error:
            raise ModelError(f"the checkpoint's config.json cannot be used: {first_problem(error)}") from None
        return sealed(folder, manifest)


def check_family(family: str, source: str, *, trust: bool) -> None:
    """Raises ModelError where checkpoints of a model_type are not converted, or only with code of theirs."""
    if family in TRUSTED and not trust:
        raise ModelError(
            f"{source} is a model of type {family}, which runs code from the checkpoint: read that code, "
            "and give --trust-remote-code if you trust it"
        )
    if family not in EXPORTED and family not in TRUSTED:
        known = ", ".join((*EXPORTED, *TRUSTED))
        raise ModelError(f"{source} is a model of type {family}; askpix converts blip, {known}")


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


def _exported(python: Path, order: dict[str, Any], told: Callable[[str], None]) -> dict[str, Any]:
    """Has the export environment do its part; returns what it reports."""
    reader, writer = os.pipe()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with os.fdopen(reader, encoding="utf-8") as said:
            # -P: modules beside the script, or in the user's current folder, must not stand in for installed ones.
            process = subprocess.Popen(
                [str(python), "-P", export_script.__file__, str(writer)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writer,),
                text=True,
                env={**os.environ, "PYTHONPATH": "", "TOKENIZERS_PARALLELISM": "false"},
            )
            os.close(writer)
            try:
                assert process.stdin is not None
                with process.stdin:
                    json.dump(order, process.stdin)
                report, error = _heard(said, told)
                process.wait()
            finally:
                process.kill()
                process.wait()
        if report is None:
            log.seek(0)
            lines = [line.strip() for line in log.read()[-_TAIL:].splitlines() if line.strip()]
            how = error or f"the export ended with code {process.returncode}: {(lines or ['it said nothing'])[-1]}"
            raise ModelError(f"{order['source']} cannot be exported: {how[:600]}")
        return report


def _heard(said: Any, told: Callable[[str], None]) -> tuple[dict[str, Any] | None, str | None]:
    report, error = None, None
    for line in said:
        what = json.loads(line)
        if "stage" in what:
            told(what["stage"])
        report, error = what.get("report", report), what.get("error", error)
    return report, error
