"""`askpix model info`: what a model folder holds, whether it is whole, and where it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from askpix.cli.console import stdout, table_row
from askpix.cli.needing import needing
from askpix.producer.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from askpix.worker.models.blip_manifest import BlipManifest
    from askpix.worker.models.folder import AnyManifest
    from askpix.worker.models.vlm_manifest import VlmManifest


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    """What became of a model on a device."""

    device: str
    precision: str | None = None
    """In which numbers it computes there by default; None where it cannot."""

    problem: str | None = None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def info(folder: Path, as_json: bool) -> int:
    """Tell what a model folder holds, check its files, and try it on each device of this machine.

    Exit code 0: it is whole and can be used here; 1: it is damaged, or no device takes it; 2: it is no model folder.
    """
    with needing("looking into a model folder", extra="worker"):
        from askpix.worker.models.folder import load_manifest, read_manifest

    manifest = read_manifest(folder)
    damage = None
    try:
        load_manifest(folder)
    except ModelError as error:
        damage = str(error)
    tried = [] if damage else _tried(folder)
    if as_json:
        facts = {"folder": str(folder), **manifest.model_dump(mode="json"), "damage": damage}
        click.echo(json.dumps({**facts, "devices": [asdict(one) for one in tried]}, indent=2))
    else:
        _shown(folder, manifest, damage, tried)
    return 0 if any(one.problem is None for one in tried) else 1


def _tried(folder: Path) -> list[_Tried]:
    from askpix.worker.engine.building import build_engine
    from askpix.worker.engine.devices import list_devices

    found = []
    for device in list_devices():
        try:
            engine = build_engine(folder, device.name)
        except (ModelError, DeviceError) as error:
            found.append(_Tried(device=device.name, problem=str(error)))
        else:
            found.append(_Tried(device=device.name, precision=engine.info.precision))
            engine.close()
    return found


def _shown(folder: Path, manifest: AnyManifest, damage: str | None, tried: list[_Tried]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table_row(table, "name", manifest.name)
    table_row(table, "kind", manifest.kind)
    table_row(table, "abilities", ", ".join(sorted(manifest.abilities)))
    for name, value in _blip_facts(manifest) if manifest.kind == "blip" else _vlm_facts(manifest):
        table_row(table, name, value)
    table_row(table, "made with", ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items())))
    table_row(table, "fingerprint", manifest.fingerprint)
    table_row(table, "files", "whole" if damage is None else damage)
    for one in tried:
        table_row(table, one.device, f"runs in {one.precision}" if one.problem is None else one.problem)
    console = stdout()
    console.print(f"{folder}", soft_wrap=True)
    console.print(table)


def _blip_facts(manifest: BlipManifest) -> Iterator[tuple[str, str]]:
    from askpix.worker.models.blip_manifest import component_bytes, components_of

    image, sizes = manifest.image, manifest.sizes
    yield "image", f"{image.width} x {image.height} pixels, {sizes.image_tokens} tokens"
    yield "text", f"{sizes.vocabulary:,} tokens in the vocabulary, texts of up to {sizes.max_positions}"
    yield "generation", _settings(manifest)
    for component, stored in components_of(manifest).items():
        yield component.replace("_", " "), f"{stored}, {component_bytes(manifest, component) / 1e6:.1f} MB"
    yield "source", manifest.source
    if (quantization := manifest.quantization) is not None:
        yield "quantized from", quantization.source
        asked = f", {len(quantization.questions)} questions" if quantization.questions else ""
        yield "calibrated on", f"{quantization.images} images{asked}"
        if (found := quantization.agreement) is not None:
            shares = ", ".join(f"{what} {share:.1%}" for what, share in found.shares.items())
            yield "agreement", f"{shares}, of {found.images} images"


def _vlm_facts(manifest: VlmManifest) -> Iterator[tuple[str, str]]:
    from askpix.worker.vlm.memory import bytes_per_token

    form, language = manifest.image_tokens, manifest.language
    yield "family", manifest.family
    stops = " or ".join(manifest.conversation.stops)
    yield "conversations", f"as {manifest.template} writes them; an answer ends before {stops}"
    yield "image", f"{form.tokens:,} tokens" if form.kind == "fixed" else "tokens by its size"
    token = bytes_per_token(manifest, exact=False)
    yield "text", f"{language.context:,} tokens with the image's; each takes {token / 1e3:.0f} kB of memory"
    yield "generation", _settings(manifest)
    yield "weights", f"{manifest.precision}, {manifest.bytes / 1e6:,.1f} MB"
    if (compression := manifest.compression) is not None and manifest.precision == "int4":
        seen = f", scales estimated on {compression.images} images" if compression.images else ""
        yield "compressed", f"{compression.ratio:.0%} in groups of {compression.group_size}{seen}"
    yield "source", manifest.source


def _settings(manifest: AnyManifest) -> str:
    return ", ".join(f"{name} {value}" for name, value in manifest.generation.model_dump(exclude_none=True).items())
