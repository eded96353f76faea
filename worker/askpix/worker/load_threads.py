"""Threads that load images, in the order in which they came, without a slow host keeping the others waiting."""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from askpix.worker.errors import ItemError

_log = logging.getLogger(__name__)

Task = Callable[[], None]

PER_HOST = 32
"""Images of one host that are loaded at a time."""


class LoadThreads:
    """Threads that do what they are given; they end with the process.

    One that is in a transfer when the process ends is not waited for: that could take its whole time limit.

    Args:
        number: of threads.
        per_host: what is done at a time for one host; what is more waits without a thread.
    """

    def __init__(self, number: int, per_host: int = PER_HOST) -> None:
        self._number = number
        self._per_host = per_host
        self._ready: queue.SimpleQueue[tuple[Task, str | None] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        """Held to look at what follows, and to change it."""
        self._busy: Counter[str] = Counter()
        """What is ready or in work, by host."""
        self._waiting: dict[str, deque[Task]] = {}
        self._later: list[tuple[float, int, Task, str | None]] = []
        """A heap: when, by `time.monotonic()`; a number, so that tasks are never compared; what, and for which host."""
        self._numbers = itertools.count()
        self._not_before: dict[str, float] = {}
        self._refused: dict[str, tuple[float, ItemError]] = {}
        self._closed = False
        for _ in range(number):
            threading.Thread(target=self._run, name="askpix-load", daemon=True).start()
        threading.Thread(target=self._wake, name="askpix-later", daemon=True).start()

    def put(self, task: Task, host: str | None = None) -> None:
        """Has a function called by the next thread that is free. It must not raise.

        Args:
            task: the function.
            host: for whose sake it may have to wait for others.
        """
        with self._changed:
            if host is not None and self._not_before.get(host, 0.0) > time.monotonic():
                self._push(self._not_before[host], task, host)
            elif host is not None and self._busy[host] >= self._per_host:
                self._waiting.setdefault(host, deque()).append(task)
            else:
                self._let_go(task, host)

    def put_later(self, seconds: float, task: Task, host: str | None = None) -> None:
        """Does the same after some seconds."""
        with self._changed:
            self._push(time.monotonic() + seconds, task, host)

    def hold(self, host: str, seconds: float) -> None:
        """Begins with nothing more for a host for some seconds."""
        with self._changed:
            now = time.monotonic()
            self._not_before = {name: till for name, till in self._not_before.items() if till > now}
            self._not_before[host] = max(self._not_before.get(host, 0.0), now + seconds)

    def refuse(self, host: str, seconds: float, problem: ItemError) -> None:
        """Has `refusal` answer with a problem for some seconds: the host asks for more time than anybody waits."""
        with self._changed:
            now = time.monotonic()
            self._refused = {name: entry for name, entry in self._refused.items() if entry[0] > now}
            self._refused[host] = (now + seconds, problem)

    def refusal(self, host: str | None) -> ItemError | None:
        """Returns why a host is not to be asked now; None where it may be."""
        till, problem = self._refused.get(host or "", (0.0, None))
        return problem if till > time.monotonic() else None

    def close(self) -> None:
        """Ends each thread after what is ready so far; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for _ in range(self._number):
            self._ready.put(None)

    def _push(self, when: float, task: Task, host: str | None) -> None:
        heapq.heappush(self._later, (when, next(self._numbers), task, host))
        self._changed.notify_all()

    def _let_go(self, task: Task, host: str | None) -> None:
        if host is not None:
            self._busy[host] += 1
        self._ready.put((task, host))

    def _run(self) -> None:
        while (entry := self._ready.get()) is not None:
            task, host = entry
            try:
                task()
            except BaseException:  # noqa: BLE001 - the thread must go on
                _log.exception("a task failed that must not")
            if host is not None:
                self._ended(host)
            # Not held while the thread waits for the next one.
            del task, entry

    def _ended(self, host: str) -> None:
        with self._changed:
            self._busy[host] -= 1
            waiting = self._waiting.get(host)
            task = waiting.popleft() if waiting else None
            if not waiting:
                self._waiting.pop(host, None)
            if not self._busy[host]:
                del self._busy[host]
        if task is not None:
            self.put(task, host)

    def _wake(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (self._later and self._later[0][0] <= time.monotonic()):
                    self._changed.wait(self._later[0][0] - time.monotonic() if self._later else None)
                if self._closed:
                    return
                _, _, task, host = heapq.heappop(self._later)
            self.put(task, host)
