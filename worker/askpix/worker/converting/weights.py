"""How the weights of a vision-language model are to be stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """How weights are stored."""

    precision: str = "f16"
    """f32, f16, int8 or int4."""

    group_size: int = 64
    """Of int4: how many weights share a scale; -1 for those of a whole channel."""

    ratio: float = 1.0
    """Of int4: the share of the language model's weights in 4 bits, the rest having 8."""

    images: tuple[Path, ...] = ()
    """Of int4: on which scales are estimated."""

    questions: tuple[str, ...] = ()
    """What is asked of them meanwhile."""
