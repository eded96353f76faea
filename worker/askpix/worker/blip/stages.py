"""The stages behind the vision encoder, and whose turn it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from askpix.worker.instruments import StageHistograms

PATIENCE = 16
"""Turns of other stages after which one that has work runs, full or not."""


class Stage(Protocol):
    """What gathers work behind the vision encoder, and does it in batches."""

    @property
    def busy(self) -> bool:
        """Whether `step` has something to do."""

    @property
    def full(self) -> bool:
        """Whether `step` has a whole batch to do."""

    @property
    def urgent(self) -> bool:
        """Whether `step` has something urgent to do."""

    def step(self) -> None:
        """Does a batch of what waits; what it raises has failed that batch, whose requests were told."""


class Turns:
    """A stage behind the vision encoder, and how many turns it has waited for more to do.

    Args:
        done: says how many questions, choices or rows it has computed.
    """

    def __init__(self, name: str, stage: Stage, done: Callable[[], int]) -> None:
        self.name = name
        self._stage = stage
        self._done = done
        self.histograms = StageHistograms()
        self.waited = 0

    @property
    def busy(self) -> bool:
        return self._stage.busy

    def is_urgent(self) -> bool:
        return self._stage.urgent

    def is_full(self) -> bool:
        return self._stage.full

    def is_overdue(self) -> bool:
        return self.busy and self.waited >= PATIENCE

    def step(self) -> None:
        self.waited = 0
        before, began = self._done(), time.perf_counter()
        self._stage.step()
        if computed := self._done() - before:
            self.histograms.add(time.perf_counter() - began, computed)
