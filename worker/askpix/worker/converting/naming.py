"""What a converted model is called, where nobody says."""

from __future__ import annotations

import re
from pathlib import Path


def name_for(source: str) -> str:
    """Returns the last part of a checkpoint's folder or hub id, as a model may be called."""
    base = Path(source).resolve().name if Path(source).exists() else source.rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-._")[:100] or "model"
