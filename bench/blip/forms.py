"""What is measured: ways to caption images and to answer questions, each alone in a process of its own."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from bench.blip.tasks import Pair, Pixels, Said, Task


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One turn of a form at a task."""

    counted: int
    """Captions, answers, or images of the ceiling."""

    rate: float
    """Counted per second."""

    tokens: tuple[int, ...] = ()
    """Of each text that was counted."""

    details: dict[str, Any] = field(default_factory=dict)


class Form(ABC):
    """One way to do it."""

    @abstractmethod
    def measure(self, task: Task, images: list[Pixels], number: int) -> Measured:
        """Does a task for so many images and questions (at least), and says how long it took."""

    @abstractmethod
    def say(self, task: Task, images: list[Pixels], number: int) -> list[Said]:
        """Returns the texts of so many images and questions, in order."""

    def close(self) -> None:
        """Ends what the form has running."""
        return


class SequentialForm(Form):
    """Does one batch after the other, and nothing beside it."""

    batch = 1
    """Images and questions that are done together."""

    share = 16
    """A slow form takes its turn with this many times fewer images than the others."""

    @abstractmethod
    def texts(self, pairs: list[Pair], tokens: int) -> list[Said]:
        """Returns the texts of one batch."""

    def measure(self, task: Task, images: list[Pixels], number: int) -> Measured:
        batches = max(1, number // self.share // self.batch)
        pairs = task.pairs(images, batches * self.batch)
        started = time.perf_counter()
        said = self._say(pairs, task.tokens)
        seconds = time.perf_counter() - started
        return Measured(counted=len(said), rate=len(said) / seconds, tokens=tuple(one.tokens for one in said))

    def say(self, task: Task, images: list[Pixels], number: int) -> list[Said]:
        return self._say(task.pairs(images, number), task.tokens)

    def _say(self, pairs: list[Pair], tokens: int) -> list[Said]:
        return [said for batch in _batched(pairs, self.batch) for said in self.texts(batch, tokens)]


def _batched(pairs: list[Pair], size: int) -> list[list[Pair]]:
    return [pairs[first : first + size] for first in range(0, len(pairs), size)]
