"""A tiny LLaVA-MPT, made and converted once for the tests of a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from helpers.mpt_reference import Reference
from helpers.tiny_mpt import make_checkpoint, make_tower

from askpix.worker.converting.conversion import Conversion
from askpix.worker.converting.llava_mpt import load
from askpix.worker.converting.vlm_convert import convert_vlm
from askpix.worker.converting.vlm_parts import VlmParts
from askpix.worker.converting.weights import Weights

CONTEXT = 640
"""That the model folders have: several times the length that the model was trained with."""


WHOLE = "pytorch_model.bin"
"""Of a checkpoint whose weights are in one file."""


def stored(source: Path) -> dict[str, Any]:
    """Returns the weights of a checkpoint that has one file of them."""
    return dict(torch.load(source / WHOLE, weights_only=True))


def loaded(source: Path, kept: torch.dtype = torch.float32, **given: Any) -> VlmParts:
    """Returns the parts of a checkpoint."""
    return load(str(source), **{"tower": None, "context": None, "kept": kept, "told": lambda _: None, **given})


class TinyMpt:
    """Checkpoints and model folders under a folder, made when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tower = folder / "tower"
        make_tower(self.tower)

    def checkpoint(self, name: str = "published", **how: Any) -> Path:
        """Returns the folder of a checkpoint; `how` is for `make_checkpoint`."""
        folder = self._folder / f"checkpoint-{name}"
        if not folder.exists():
            make_checkpoint(folder, self.tower, **how)
        return folder

    def folder(self, name: str = "published", precision: str = "f32", **how: Any) -> Path:
        """Returns the model folder of a checkpoint."""
        folder = self._folder / f"{name}-{precision}"
        if not folder.exists():
            weights = Weights(precision=precision, group_size=16, ratio=0.8)
            source = str(self.checkpoint(name, **how))
            convert_vlm(
                Conversion(
                    source=source, output=folder, family="llava_mpt", name="tiny-mpt", weights=weights, context=CONTEXT
                )
            )
        return folder

    def reference(self, name: str = "published") -> Reference:
        """Returns what plain PyTorch makes of a checkpoint that was made."""
        return Reference(self.checkpoint(name), self.tower)
