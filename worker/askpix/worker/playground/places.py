"""How many questions are answered at a time, and how many may wait for that."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from askpix.producer.errors import AskpixError
from askpix.worker.playground.stop import Stop

_PLACES = 4
_WAITING = 16
"""Each holds a thread, of which Gradio has forty: what stops and clears needs some too."""


class Places:
    """Has questions wait for each other, first come, first served.

    Args:
        places: how many are answered at a time.
        waiting: how many may wait beside them.
    """

    def __init__(self, places: int = _PLACES, waiting: int = _WAITING) -> None:
        self._places = places
        self._most_waiting = waiting
        self._line: deque[Stop] = deque()
        self._taken = 0
        self._changed = threading.Condition()

    @property
    def are_taken(self) -> bool:
        """Whether the next one has to wait."""
        return self._taken + len(self._line) >= self._places

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    @contextmanager
    def one(self, stop: Stop) -> Iterator[None]:
        """Waits for a place, and has it meanwhile; who is stopped waits no longer, and has none.

        Raises:
            AskpixError: too many wait.
        """
        with self._changed:
            if self._taken + len(self._line) >= self._places + self._most_waiting:
                raise AskpixError("too many questions wait for their answers: ask again in a moment")
            self._line.append(stop)
        stop.listen(self._wake)
        with self._changed:
            self._changed.wait_for(lambda: stop.is_set or self._is_next(stop))
            self._line.remove(stop)
            has = not stop.is_set
            self._taken += has
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= has
                self._changed.notify_all()

    def _is_next(self, stop: Stop) -> bool:
        return self._line[0] is stop and self._taken < self._places

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
