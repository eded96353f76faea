"""Watches parts in work: how far they are is told, what is finished is kept, and what is to stop stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from askpix.producer.rows import Row
from askpix.worker.answering import Answering
from askpix.worker.part_work import GivenBackError, PartWork, keep, look_for_holds
from askpix.worker.telling import counting

_LIVE_SECONDS = 0.2
"""Between two looks at how far a part is."""

_TOLD_SECONDS = 1.0
"""Between two times that a part's counters are told, once it is in work for some seconds: a worker with two parts would
otherwise have Redis run ten scripts a second, which is all that Redis can do for some thousands of workers."""

_RENEWED = 4
"""Signs of life of a part that gets no further, in the time that its lease lasts."""

_HOLD_SECONDS = 2.0
"""Between two looks whether the job was paused or cancelled: at what the counters say when they are told, and at the
folder where they do not say that it goes on."""

_LOOK_SECONDS = 30.0
"""Between two looks at the folder in any case. On S3 each is a LIST; of one every two seconds, they were most of its
requests."""


class PartWatch:
    """Watches the parts of one worker, each on its own thread.

    Args:
        lease_seconds: how long leases last.
        keep_seconds: between two times that finished rows are kept.
    """

    def __init__(self, lease_seconds: float, keep_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._keep_seconds = keep_seconds
        self._beats: dict[int, float] = {}
        """When each thread that has a part in work last showed that it goes on."""
        self._row_at = 0.0
        """When a row of any part was last there, or a part was begun."""
        self._draining = threading.Event()
        self.stopping = threading.Event()
        """Set when parts in work are to end at once."""
        self._died = False

    def drain(self) -> None:
        """Makes parts in work end with GivenBackError when the device has done what it was given of them."""
        self._draining.set()

    def stop(self, *, died: bool = False) -> None:
        """Makes parts in work end at once with GivenBackError.

        Args:
            died: whether one of them may be the reason for the worker's end.
        """
        self._died = self._died or died
        self.stopping.set()

    def silent(self) -> float:
        """Returns for how many seconds a part's thread has not gone on, of several the longest time."""
        return time.monotonic() - min(list(self._beats.values()), default=time.monotonic())

    def stalled(self) -> float:
        """Returns for how many seconds no part has got any further; 0 where there is none.

        One alone may have to wait for long: its images are loaded when those of the part before it are.
        """
        return time.monotonic() - self._row_at if self._beats else 0.0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Says that this thread has a part in work, as long as a block lasts."""
        thread = threading.get_ident()
        self._row_at = self._beats[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._beats[thread]

    def follow(self, work: PartWork, answering: Answering, before: Collection[Row]) -> None:
        """Waits for the rows of a part's items; says how far they are, keeps them, and looks whether to stop.

        Args:
            before: rows that were kept of them.

        Raises:
            GivenBackError: the worker is stopping.
            HeldError: the job was paused or cancelled.
            EngineStoppedError: the engine has ended.
            WorkerError: the process for items that end their workers cannot be started.
        """
        work.telling.begin(before)
        renewing = _Paced(min(self._lease_seconds / _RENEWED, _HOLD_SECONDS))
        telling = _Paced(_LIVE_SECONDS, longest=_TOLD_SECONDS)
        holds, looking = _Paced(_HOLD_SECONDS), _Paced(_LOOK_SECONDS)
        looking.due()
        keeping = _Paced(self._keep_seconds)
        keeping.due()
        written, further, goes_on = 0, False, True
        while not answering.wait(_LIVE_SECONDS):
            self._beats[threading.get_ident()] = time.monotonic()
            if self.stopping.is_set() or (self._draining.is_set() and answering.drained()):
                raise GivenBackError(died=self._died)
            if looking.due() or (not goes_on and holds.due()):
                look_for_holds(work.folder)
            rows = answering.rows()
            if len(rows) > written and keeping.due():
                written = len(rows)
                keep(work, [*before, *rows.values()])
            if work.telling.see(rows):
                further = True
                self._row_at = time.monotonic()
            elif answering.harmless:
                self._row_at = time.monotonic()
            if (further and telling.due()) or renewing.due():
                goes_on, further = work.telling.live(), False
                if answering.harmless and work.lease is not None:
                    with counting():
                        work.lease.excuse()
        work.telling.see(answering.rows())


class _Paced:
    """Says when it is time again: after so many seconds, or twice as many each time up to the longest."""

    def __init__(self, seconds: float, longest: float = 0.0) -> None:
        self._seconds = seconds
        self._longest = longest
        self._next = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        self._seconds = max(self._seconds, min(2 * self._seconds, self._longest))
        return True
