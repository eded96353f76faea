"""What answers the items of a part: all at a time, or one by one where there is reason to take care."""

from __future__ import annotations

from typing import Protocol

from askpix.producer.rows import Row
from askpix.worker.load_threads import LoadThreads


class Answering(Protocol):
    """Items of a part on their way to rows. Used from the part's own thread: begun, then waited for, or given up."""

    harmless: bool
    """Whether the worker cannot die, or hang, of the items."""

    def begin(self, threads: LoadThreads) -> None:
        """Gives load threads what they are to do."""

    def wait(self, timeout: float) -> bool:
        """Waits for all rows, up to `timeout` seconds; returns whether they are there.

        Raises:
            EngineStoppedError: the engine has ended.
            WorkerError: there is nothing else that could answer them.
        """

    def rows(self) -> dict[int, Row]:
        """Returns the rows that are complete, by their places, the newest last."""

    def drained(self) -> bool:
        """Has no more begun; returns whether what was begun has ended."""

    def give_up(self) -> None:
        """Ends what is in work; rows that are complete stay."""
