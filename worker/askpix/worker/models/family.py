"""Which families of vision-language models there are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What is known of vision-language models whose checkpoints have one model_type."""

    reader: str | None = None
    """The module of `converting/` that reads their checkpoints, with a `load`; None for the export environment."""

    trusted: bool = False
    """Whether their export runs code that comes with the checkpoint."""

    several_images: bool = True
    """Whether they are shown several images in a conversation."""


FAMILIES = {
    "llava": Family(),
    "llava_next": Family(),
    "qwen2_vl": Family(),
    "qwen2_5_vl": Family(),
    "qwen3_vl": Family(),
    "llava_mpt": Family(reader="llava_mpt"),
    "internvl_chat": Family(trusted=True, several_images=False),
    "minicpmv": Family(trusted=True, several_images=False),
}
"""By model_type. A new one is a line here, and a module where askpix itself reads its checkpoints."""
