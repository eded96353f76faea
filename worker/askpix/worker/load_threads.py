"""Threads that load images, in the order in which they came, without a slow host keeping the others waiting."""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import threading
import time
from functools import partial

from askpix.worker.host import Host, Place, Task
from askpix.worker.hosts import Hosts
from askpix.worker.item_errors import ItemError

_log = logging.getLogger(__name__)


class LoadThreads:
    """Threads that do what they are given; they end with the process.

    There are as many as there was ever something to do for at a time. One that is in a transfer when the process ends
    is not waited for: that could take its whole time limit.

    Args:
        hosts: say what may be done at a time; what is more waits without a thread.
    """

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        self._ready: queue.SimpleQueue[tuple[Task, Place] | None] = queue.SimpleQueue()
        self._threads = 0
        self._tasks = 0
        """That threads have, or are about to have."""
        self._changed = threading.Condition()
        """Held to look at what follows, and to change it."""
        self._later: list[tuple[float, int, Task]] = []
        """A heap: when, by `time.monotonic()`; a number, so that tasks are never compared; what is to be called."""
        self._numbers = itertools.count()
        self._looking = False
        """Whether somebody will see to new hosts that wait."""
        self._closed = False
        threading.Thread(target=self._wake, name="askpix-later", daemon=True).start()

    def put(self, task: Task, host: str | None = None) -> None:
        """Has a function called by the next thread that is free. It must not raise.

        Args:
            task: the function.
            host: for whose sake it may have to wait for others; None where it needs none.
        """
        with self._changed:
            known = self._hosts.of(host)
            known.waiting.append(task)
            self._go_on(known)

    def put_later(self, seconds: float, task: Task, host: str | None = None) -> None:
        """Does the same after some seconds."""
        with self._changed:
            self._push(time.monotonic() + seconds, partial(self.put, task, host))

    def hold(self, host: str, seconds: float) -> None:
        """Begins with nothing more for a host for some seconds."""
        with self._changed:
            self._hosts.hold(host, seconds)

    def refuse(self, host: str, seconds: float, problem: ItemError) -> None:
        """Has `refusal` answer with a problem for some seconds: the host asks for more time than anybody waits."""
        with self._changed:
            self._hosts.refuse(host, seconds, problem)

    def refusal(self, host: str | None) -> ItemError | None:
        """Returns why a host is not to be asked now; None where it may be."""
        if host is None:
            return None
        with self._changed:
            return self._hosts.refusal(host)

    def answered(self, host: str | None) -> None:
        """Notes that an image has come from a host; it is still to be decoded."""
        if host is not None:
            with self._changed:
                self._hosts.answered(host)

    def judge(self, host: str | None, problem: ItemError | None) -> None:
        """Learns how a host does from how it went with an image."""
        if host is not None:
            with self._changed:
                self._hosts.judge(host, problem)

    def close(self) -> None:
        """Ends each thread after what is ready so far; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            for _ in range(self._threads):
                self._ready.put(None)

    def _push(self, when: float, task: Task) -> None:
        heapq.heappush(self._later, (when, next(self._numbers), task))
        self._changed.notify_all()

    def _go_on(self, host: Host, *, in_turn: bool = False) -> None:
        """Lets go what may be begun with of a host; the lock is held."""
        for entry in self._hosts.next_of(host, in_turn=in_turn):
            self._ready.put(entry)
            self._tasks += 1
            if self._tasks > self._threads and not self._closed:
                self._start_one()
        # What waits for anything else than its time is seen to when something ends.
        if host.waiting and host.busy < host.limit and not host.woken and not host.queued:
            host.woken = True
            self._push(host.not_before, partial(self._woken, host))
        self._look_later()

    def _start_one(self) -> None:
        try:
            threading.Thread(target=self._run, name="askpix-load", daemon=True).start()
        except RuntimeError as error:
            # The system allows no more of them; those that there are do what there is.
            if not self._threads:
                raise
            _log.warning("only %d threads load images: %s", self._threads, error)
        else:
            self._threads += 1

    def _woken(self, host: Host) -> None:
        with self._changed:
            host.woken = False
            self._go_on(host)

    def _ended(self, place: Place) -> None:
        with self._changed:
            self._tasks -= 1
            self._hosts.ended(place)
            # Who waits for a place comes before who has just had it.
            self._take_turns()
            self._go_on(place.host)

    def _take_turns(self) -> None:
        """Lets go what waited for others; the lock is held."""
        while (host := self._hosts.next_in_turn()) is not None:
            self._go_on(host, in_turn=True)

    def _look(self) -> None:
        with self._changed:
            self._looking = False
            self._hosts.note_late()
            self._take_turns()
            self._look_later()

    def _look_later(self) -> None:
        if not self._looking and (when := self._hosts.next_late()) is not None:
            self._looking = True
            self._push(when, self._look)

    def _run(self) -> None:
        while (entry := self._ready.get()) is not None:
            task, place = entry
            try:
                task()
            except BaseException:  # noqa: BLE001 - the thread must go on
                _log.exception("a task failed that must not")
            self._ended(place)
            # Not held while the thread waits for the next one.
            del task, place, entry

    def _wake(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not (self._later and self._later[0][0] <= time.monotonic()):
                    self._changed.wait(self._later[0][0] - time.monotonic() if self._later else None)
                if self._closed:
                    return
                task = heapq.heappop(self._later)[2]
            task()
