"""What the metrics of a worker are read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from askpix.worker.engines import Engines
from askpix.worker.health import State
from askpix.worker.metrics.queues import Waiting
from askpix.worker.tallies import Tallies


class Queues(Protocol):
    """Says what waits."""

    def read(self) -> Mapping[str, Waiting] | None:
        """Returns it by queue; None where that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The parts of a worker that keep counts, or can be asked."""

    engines: Engines
    tallies: Tallies

    queues: Queues
    """Those that the worker takes from."""

    ready: Callable[[], State]
    """Says whether it can take work."""
