"""`askpix model info`: what a model folder holds, whether it is whole, and where it runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from askpix.cli.console import printable, stdout
from askpix.producer.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from askpix.worker.models.manifest import Manifest


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
    from askpix.worker.models.manifest import load_manifest, read_manifest

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
    from askpix.worker.blip.engine import BlipEngine
    from askpix.worker.engine.devices import list_devices

    found = []
    for device in list_devices():
        try:
            engine = BlipEngine(folder, device.name)
        except (ModelError, DeviceError) as error:
            found.append(_Tried(device=device.name, problem=str(error)))
        else:
            found.append(_Tried(device=device.name, precision=engine.info.precision))
            engine.close()
    return found


def _shown(folder: Path, manifest: Manifest, damage: str | None, tried: list[_Tried]) -> None:
    from askpix.worker.models.manifest import component_bytes, components_of

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    image, sizes = manifest.image, manifest.sizes
    table.add_row("name", manifest.name)
    table.add_row("kind", manifest.kind)
    table.add_row("abilities", ", ".join(sorted(manifest.abilities)))
    table.add_row("image", f"{image.width} x {image.height} pixels, {sizes.image_tokens} tokens")
    table.add_row("text", f"{sizes.vocabulary:,} tokens in the vocabulary, texts of up to {sizes.max_positions}")
    settings = manifest.generation.model_dump(exclude_none=True)
    table.add_row("generation", ", ".join(f"{name} {value}" for name, value in settings.items()))
    for component, stored in components_of(manifest).items():
        table.add_row(component.replace("_", " "), f"{stored}, {component_bytes(manifest, component) / 1e6:.1f} MB")
    table.add_row("source", printable(manifest.source))
    if (quantization := manifest.quantization) is not None:
        table.add_row("quantized from", quantization.source)
        asked = f", {len(quantization.questions)} questions" if quantization.questions else ""
        table.add_row("calibrated on", f"{quantization.images} images{asked}")
        if (found := quantization.agreement) is not None:
            shares = ", ".join(f"{what} {share:.1%}" for what, share in found.shares.items())
            table.add_row("agreement", f"{shares}, of {found.images} images")
    table.add_row("made with", ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items())))
    table.add_row("fingerprint", manifest.fingerprint)
    table.add_row("files", "whole" if damage is None else damage)
    for one in tried:
        table.add_row(one.device, f"runs in {one.precision}" if one.problem is None else one.problem)
    console = stdout()
    console.print(f"{folder}", soft_wrap=True)
    console.print(table)
