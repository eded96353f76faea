"""Model folders of which some components are quantized, and which components those are to be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.errors import ModelError
from askpix.worker.converting.staging import sealed
from askpix.worker.models.blip_manifest import Agreement, BlipManifest, Quantization

Trial = Callable[[Sequence[str]], Agreement]
"""Returns how a model agrees of which these components are quantized, and the others as they were."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixing:
    """Makes model folders out of quantized components and of those that they were made from."""

    whole: Path
    """The model folder that was quantized."""

    quantized: Path
    """Where the quantized graphs are."""

    manifest: BlipManifest
    """Of the new folder, but for what depends on the components."""

    quantization: Quantization
    """As if nothing was quantized."""

    stored: dict[str, str]
    """In what each component's weights are stored once it is quantized."""

    def write(self, target: Path, components: Sequence[str], found: Agreement | None = None) -> BlipManifest:
        """Writes a folder in which these components are quantized; returns its manifest."""
        target.mkdir(exist_ok=True)
        for component in self.stored:
            source = self.quantized if component in components else self.whole
            for suffix in (".xml", ".bin"):
                shutil.copy(source / f"{component}{suffix}", target)
        shutil.copy(self.whole / "tokenizer.json", target)
        stored = {one: self.stored[one] for one in components}
        quantization = self.quantization.model_copy(
            update={"components": {**self.quantization.components, **stored}, "agreement": found}
        )
        return sealed(target, self.manifest.model_copy(update={"quantization": quantization}))


def chosen(components: Sequence[str], trial: Trial, least: float) -> tuple[list[str], Agreement]:
    """Returns which components to quantize so that the model still agrees, and how it does.

    All, where that will do. Else each is tried alone, and the one that costs the most stays whole; if need be the
    next one too.

    Raises:
        ModelError: none can be quantized.
    """
    found = trial(components)
    if found.least >= least:
        return list(components), found
    alone = {one: trial([one]) for one in components} if len(components) > 1 else {components[0]: found}
    # Stable: of those that cost alike, the first one stays whole.
    left = sorted(components, key=lambda one: alone[one].least)[1:]
    while left:
        found = alone[left[0]] if len(left) == 1 else trial(left)
        if found.least >= least:
            return [one for one in components if one in left], found
        left = left[1:]
    best = max(one.least for one in alone.values())
    raise ModelError(
        f"no component can be quantized: the one that costs the least leaves {best:.1%} of the captions or answers "
        f"as they were, {least:.1%} are wanted; calibrate on more images, of the kind that the model was trained on"
    )
