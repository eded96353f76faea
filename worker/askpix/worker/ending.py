"""How a worker ends: gently when it is told to, quickly when it is told twice or is of no more use, always in time.

What that means for a part in work, `part.py:PartRunner` says: in `drain`, and in `stop`.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from celery.apps.worker import Worker as CeleryWorker
from celery.worker import state

_log = logging.getLogger(__name__)

EXIT_LATE = 1
"""The worker was told to end and did not within its grace."""

EXIT_ENGINE_STOPPED = 3
EXIT_HUNG = 4

GRACE_SECONDS = 20.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_QUICK_SECONDS = 5.0
"""In which parts are given back and connections closed, without waiting for the device."""


class Endable(Protocol):
    """What has work in hand."""

    def drain(self) -> None:
        """Begins with nothing more, and gives the rest back when the device has done what it has."""

    def stop(self, *, died: bool = False) -> None:
        """Gives everything back as it is.

        Args:
            died: whether what is in work may be the reason for the end, and counts as having ended its worker.
        """


class Ending:
    """Ends a worker when a signal says so, or something in it is broken.

    On the first SIGTERM, SIGINT or SIGHUP the parts in work are drained; on a second one, or SIGQUIT, they are given
    back at once. What takes longer than `grace` seconds is left: the leases of its parts run out. A thread of its
    own does all this, so that it happens whatever the others hang on.

    Args:
        parts: what is in work.
        grace: seconds from the first signal to the end.
    """

    def __init__(self, parts: Endable, grace: float = GRACE_SECONDS) -> None:
        self._parts = parts
        self._grace = grace
        # Its `put` may be called from a signal handler, whatever the thread that it interrupts is doing.
        self._told: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self.begun = False
        """Whether the worker is ending."""
        threading.Thread(target=self._run, name="askpix-ending", daemon=True).start()

    def install(self) -> None:
        """Takes the signals; to be called from the main thread."""

        def told(number: int, _: FrameType | None) -> None:
            self._told.put((0, signal.Signals(number).name))

        for number in _SIGNALS:
            signal.signal(number, told)
        # Whoever ignores a hang-up, as nohup does, goes on doing so.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, told)
        # For whoever wants to know what a worker is at.
        faulthandler.register(signal.SIGUSR1)

    def over(self) -> None:
        """Ignores further signals where the worker is ending: all was given back, and one that meets the interpreter's
        own end would make it look like a crash. To be called from the main thread."""
        if self.begun:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def fail(self, code: int, why: str) -> None:
        """Ends the worker at once with an exit code. May be called from any thread, and again."""
        self._told.put((code, why))

    def _run(self) -> None:
        code, why = self._told.get()
        self.begun = True
        gently = not code and why != "SIGQUIT"
        if code:
            _log.critical("%s; the worker ends with exit code %d", why, code)
        else:
            _log.info("%s: the worker ends, %s", why, f"in {self._grace:g} seconds at most" if gently else "at once")
        over = time.monotonic() + (self._grace if gently else _QUICK_SECONDS)
        if gently:
            self._parts.drain()
            state.should_stop = 0
            # Part of the grace is for what comes after the device.
            self._again(until=over - min(_QUICK_SECONDS, self._grace / 2))
            over = min(over, time.monotonic() + _QUICK_SECONDS)
        self._parts.stop(died=code == EXIT_HUNG)
        state.should_stop = code
        threading.Event().wait(max(over - time.monotonic(), 0))
        _log.error("the worker is not done in time: what it has in work is left to others, who find it by its leases")
        logging.shutdown()
        os._exit(code or EXIT_LATE)

    def _again(self, until: float) -> None:
        """Waits until a time, or to be told once more."""
        try:
            _, why = self._told.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            return
        _log.info("%s, once more: what is in work is given back as it is", why)


def celery_worker(ending: Ending) -> Callable[..., CeleryWorker]:
    """Returns a Celery worker class whose signals are ours: Celery's own wait for as long as a task takes, and a
    second one is an exception in the main thread, whatever that is doing."""

    class Worker(CeleryWorker):  # type: ignore[misc]
        def install_platform_tweaks(self, worker: object) -> None:  # noqa: ARG002 - as in the base class
            ending.install()

    return Worker
