"""Which kind of model a checkpoint holds, without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


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
