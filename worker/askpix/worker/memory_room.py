"""Memory that threads share."""

from __future__ import annotations

import threading
import time
from collections import deque


class Room:
    """So much may be in use at a time; who needs more than is left waits, in the order in which they came.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._left = total
        self._order: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, amount: int, until: float | None = None) -> bool:
        """Takes some of it, not more than there is in all; waits until it is there. Returns whether it was in time.

        Args:
            until: as `time.monotonic()` counts; by default it waits for ever.
        """
        mine = object()
        with self._changed:
            self._order.append(mine)
            seconds = None if until is None else max(until - time.monotonic(), 0)
            there = self._changed.wait_for(lambda: self._order[0] is mine and amount <= self._left, seconds)
            self._order.remove(mine)
            self._left -= amount if there else 0
            self._changed.notify_all()
            return there

    def give_back(self, amount: int) -> None:
        with self._changed:
            self._left += amount
            self._changed.notify_all()
