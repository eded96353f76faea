"""A checkpoint's folder on this machine, fetched from the model hub where it is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from askpix.producer.errors import ModelError

_WANTED = (
    "config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
)
"""No code, and nothing that training left."""

_JSON_BYTES = 64 << 20


def checkpoint_folder(source: str) -> Path:
    """Returns the folder of a local checkpoint, or where the hub's files of one are now.

    Raises:
        ModelError: it is no folder, nor to be had from the hub.
    """
    path = Path(source)
    if path.exists():
        if not path.is_dir():
            raise ModelError(f"{source} is no folder of a checkpoint")
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(snapshot_download(source, allow_patterns=list(_WANTED)))
    except Exception as error:
        raise ModelError(
            f"{source} is no folder, nor can it be had from the hub: {' '.join(str(error).split())[:300]}"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Returns what a checkpoint's JSON file says.

    Raises:
        ModelError: there is none, or it is no JSON object.
    """
    try:
        if path.stat().st_size > _JSON_BYTES:
            raise ValueError("it is too large")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"the checkpoint has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"the checkpoint's {path.name} cannot be read: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ModelError(f"the checkpoint's {path.name} is no JSON object")
    return value
