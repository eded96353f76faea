"""Looks whether a worker still gets on with what it has, and ends it where it does not.

Nothing can end a thread that hangs in a library, or a device that does not answer; a process can be ended, and what it
had is found by its leases. A worker that does nothing must not look healthy.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from askpix.worker.ending import EXIT_ENGINE_STOPPED, EXIT_HUNG, Ending
from askpix.worker.engines import Engines
from askpix.worker.loading import Loader
from askpix.worker.part import PartRunner
from askpix.worker.slots import deaf, longest_ask

_LOOK_SECONDS = 0.5
_SLACK_SECONDS = 15.0
"""That a transfer may take to end by itself once its time is up: a host's name may be looked up meanwhile."""

_PAUSED_SECONDS = 5.0
"""A look that comes so much later than it should says that the whole process, or machine, was stopped for a while."""

_DEAF_SECONDS = 60.0


class Watchdog:
    """A thread of a worker, from `start` to `stop`.

    Args:
        ending: is told when the worker is of no more use.
        item_seconds: that an image may be fetched or decoded for, and that the device may be silent.
        part_seconds: without any sign of life of a part, or an ask, in work.
        unanswered: says for how many seconds the broker has not answered.
    """

    def __init__(
        self,
        ending: Ending,
        *,
        engines: Engines,
        loader: Loader,
        parts: PartRunner,
        item_seconds: float,
        part_seconds: float,
        unanswered: Callable[[], float],
    ) -> None:
        self._ending = ending
        self._engines = engines
        self._loader = loader
        self._parts = parts
        self._item_seconds = item_seconds
        self._part_seconds = part_seconds
        self._unanswered = unanswered
        self._answers = -1
        self._answered_at = 0.0
        """When the engines had given as many answers as now."""
        self._judges_from = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="askpix-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def trouble(self) -> tuple[int, str] | None:
        """Returns why the worker is of no more use, with the exit code that says so; None where it is."""
        now = time.monotonic()
        answers = sum(engine.counters().get("answers", 0) for engine in self._engines)
        if answers != self._answers:
            self._answers, self._answered_at = answers, now
        for engine in self._engines:
            if engine.stopped:
                return EXIT_ENGINE_STOPPED, f"the engine of {engine.info.model} has stopped"
        if now < self._judges_from:
            return None
        for engine in self._engines:
            if engine.stuck() > self._item_seconds:
                model, device = engine.info.model, engine.info.device
                return EXIT_HUNG, f"{device} has not answered {model} for more than {self._item_seconds:g} seconds"
        if self._loader.stuck() > self._item_seconds + _SLACK_SECONDS:
            return EXIT_HUNG, f"an image has been loaded for more than {self._item_seconds:g} seconds"
        stalled = min(self._parts.stalled(), now - self._answered_at)
        if max(self._parts.silent(), stalled, longest_ask()) > self._part_seconds:
            return EXIT_HUNG, f"nothing has got any further for more than {self._part_seconds:g} seconds"
        if _DEAF_SECONDS < deaf() < math.inf and self._unanswered() < _PAUSED_SECONDS:
            return EXIT_HUNG, f"the worker has not listened to its queues for more than {_DEAF_SECONDS:g} seconds"
        return None

    def _run(self) -> None:
        looked_at = time.monotonic()
        while not self._stopping.wait(_LOOK_SECONDS):
            before, looked_at = looked_at, time.monotonic()
            if looked_at - before > _LOOK_SECONDS + _PAUSED_SECONDS:
                # What seems to have taken long was standing still.
                self._judges_from = looked_at + self._item_seconds
            if trouble := self.trouble():
                self._ending.fail(*trouble)
                return
