"""Which kind of model a checkpoint holds, without loading it, and which kinds there are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What is known of vision-language models whose checkpoints have one model_type."""

    reader: str | None = None
    """The module beside this one that reads their checkpoints, with a `load`; None for the export environment."""

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


def family_of(source: str) -> str | None:
    """Returns the model_type that a checkpoint's config.json names; None where there is none to be read.

    Args:
        source: a local folder or a hub id.
    """
    path = Path(source) / "config.json" if Path(source).exists() else _downloaded(source)
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError, RecursionError):
        return None
    family = config.get("model_type") if isinstance(config, dict) else None
    return family if isinstance(family, str) else None


def _downloaded(source: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return Path(hf_hub_download(source, "config.json"))
    except Exception:  # noqa: BLE001 - who loads the checkpoint will say what is wrong
        return None
