"""For how long threads have been at something; what they wait for each other does not count."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Used from many threads, each with a time of its own."""

    def __init__(self) -> None:
        self._begun: dict[int, float] = {}
        """By thread, of those whose time runs."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts this thread's time."""
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[thread]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Does not count it meanwhile, where it runs."""
        thread = threading.get_ident()
        begun, stopped = self._begun.pop(thread, None), time.monotonic()
        try:
            yield
        finally:
            if begun is not None:
                self._begun[thread] = begun + time.monotonic() - stopped

    def longest(self) -> float:
        """Returns the seconds of the thread that has been at it for the longest time."""
        return time.monotonic() - min(list(self._begun.values()), default=time.monotonic())
