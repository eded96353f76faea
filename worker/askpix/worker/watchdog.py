"""Looks whether a worker still gets on with what it has, and ends it where it does not.

Nothing can end a thread that hangs in a library, or a device that does not answer; a process can be ended, and what it
had is found by its leases. A worker that does nothing must not look healthy.
"""

from __future__ import annotations

import threading

from askpix.worker.ending import EXIT_ENGINE_STOPPED, EXIT_HUNG, Ending
from askpix.worker.engines import Engines
from askpix.worker.loading import Loader
from askpix.worker.part import PartRunner

_LOOK_SECONDS = 0.5


class Watchdog:
    """A thread of a worker, from `start` to `stop`.

    Args:
        ending: is told when the worker is of no more use.
        item_seconds: that an image may be fetched or decoded for, and that the device may be silent.
        part_seconds: without any sign of life of a part in work.
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
    ) -> None:
        self._ending = ending
        self._engines = engines
        self._loader = loader
        self._parts = parts
        self._item_seconds = item_seconds
        self._part_seconds = part_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="askpix-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def trouble(self) -> tuple[int, str] | None:
        """Returns why the worker is of no more use, with the exit code that says so; None where it is."""
        for engine in self._engines:
            if engine.stopped:
                return EXIT_ENGINE_STOPPED, f"the engine of {engine.info.model} has stopped"
            if engine.stuck() > self._item_seconds:
                model, device = engine.info.model, engine.info.device
                return EXIT_HUNG, f"{device} has not answered {model} for more than {self._item_seconds:g} seconds"
        if self._loader.stuck() > self._item_seconds:
            return EXIT_HUNG, f"an image has been loaded for more than {self._item_seconds:g} seconds"
        if self._parts.silent() > self._part_seconds:
            return EXIT_HUNG, f"a part has got no further for more than {self._part_seconds:g} seconds"
        return None

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            if trouble := self.trouble():
                self._ending.fail(*trouble)
                return
