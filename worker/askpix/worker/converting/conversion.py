"""Which vision-language checkpoint is to become which model folder, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from askpix.producer.generation import Generation
from askpix.worker.converting.weights import Weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """What is asked for of a vision-language checkpoint's conversion."""

    source: str
    """The checkpoint: a local folder or a hub id."""

    output: Path
    """The model folder, which is not there yet."""

    family: str
    """The checkpoint's model_type."""

    name: str
    """Of the model."""

    weights: Weights = field(default_factory=Weights)
    python: Path | None = None
    """Of the export environment; None where askpix reads the family's checkpoints by itself."""

    trust: bool = False
    """Whether code that comes with the checkpoint is run, where its family needs that."""

    template: str | None = None
    """How conversations are written, where the checkpoint does not say; a name of `vlm.templates`."""

    tower: str | None = None
    """A folder or hub id of the image encoder, of a family whose checkpoints have it elsewhere."""

    context: int | None = None
    """The longest sequence in tokens, of a family that knows no longest one."""

    generation: Generation | None = None
    """What becomes the model's defaults."""
