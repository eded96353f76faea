"""Labels that several groups of metrics have."""

from __future__ import annotations

from collections.abc import Iterable

from askpix.worker.engine.base import Engine
from askpix.worker.instruments import Labels

MODEL = ("model", "device")
NONE: dict[Labels, int] = {(): 0}
"""Nothing counted, of what has no labels."""


def from_zero(words: Iterable[str]) -> dict[Labels, int]:
    """Returns nothing counted for each of some labels: from the start, since an increase is seen only of what was there
    before."""
    return {(word,): 0 for word in words}


def who(engine: Engine) -> Labels:
    """Returns the labels MODEL of an engine."""
    return engine.info.model, engine.info.device
