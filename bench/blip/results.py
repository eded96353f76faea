"""What a run found, and how it is kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.blip.figures import Rounds, Spread, rates, ratios
from bench.blip.floors import MEMORY_CEILING_GB, OCCUPANCY_FLOOR
from bench.blip.machine import remark


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run found."""

    model: str
    """Its recipe: "base" is the real size."""

    images: int
    """Of a turn of the fast forms."""

    machine: dict[str, Any]
    loads: list[list[float]]
    """The machine's load after each round."""

    rounds: Rounds
    occupancy: list[float]
    """For each round, the share of the decoder's places that were in use at mixed lengths."""

    precisions: dict[str, str]
    """What the engine's forms computed in."""

    ceilings: dict[str, dict[str, float]]
    """Images per second of each batch and number of streams that was tried for a ceiling."""

    @property
    def judged(self) -> bool:
        """Whether the floors say something: they are meant for the real size."""
        return self.model == "base"

    def write(self, path: Path) -> None:
        """Writes all of it as JSON, with what follows from it."""
        follows = {
            "remark": remark(self.machine),
            "rates": {task: {form: asdict(one) for form, one in of.items()} for task, of in rates(self.rounds).items()},
            "ratios": [ratio.as_json() for ratio in ratios(self.rounds)],
            "occupancy_floor": OCCUPANCY_FLOOR,
        }
        if self.occupancy:
            follows["occupancy_found"] = asdict(Spread.of(self.occupancy))
        write_json(path, {**follows, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> Results:
        """Returns what `write` wrote."""
        values = json.loads(path.read_text())
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How much memory a worker held over a long job."""

    model: str
    machine: dict[str, Any]
    series: list[tuple[int, float, float, float]]
    """Items done, seconds since the job began, resident megabytes, and how much of them is no file's."""

    peak_mb: float
    growth_mb: float
    """Median of the last fifth of the series less that of its second fifth."""

    def write(self, path: Path) -> None:
        ceiling = {"ceiling_gb": MEMORY_CEILING_GB, "holds": self.holds}
        write_json(path, {**ceiling, "remark": remark(self.machine), **asdict(self)})

    @property
    def holds(self) -> bool:
        """Whether the worker stayed below the ceiling."""
        return self.peak_mb <= MEMORY_CEILING_GB * 1000

    @classmethod
    def read(cls, path: Path) -> Memory:
        """Returns what `write` wrote."""
        values = json.loads(path.read_text())
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON with lists of numbers on one line, so that a change reads well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_laid_out(value, "") + "\n", encoding="utf-8")


def _laid_out(value: Any, indent: str) -> str:
    deeper = f"{indent}  "
    if isinstance(value, dict) and value:
        entries = [f"{deeper}{json.dumps(name)}: {_laid_out(one, deeper)}" for name, one in value.items()]
        return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(one, dict | list | tuple) for one in value):
        return "[\n" + ",\n".join(f"{deeper}{_laid_out(one, deeper)}" for one in value) + f"\n{indent}]"
    return json.dumps(round(value, 5) if isinstance(value, float) else _rounded(value))


def _rounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [round(one, 5) if isinstance(one, float) else one for one in value]
    return value
