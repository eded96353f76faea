"""What engines share that have one thread decide everything: how requests come in, and how it ends."""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import abstractmethod
from typing import Any, Generic, TypeVar

from askpix.worker.engine.base import Engine, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.engine.under_way import Taken, UnderWay
from askpix.worker.item_errors import EngineStoppedError

_log = logging.getLogger(__name__)

R = TypeVar("R", bound=Taken)


class ThreadedEngine(Engine, Generic[R]):
    """An engine whose state belongs to one thread. Whoever derives from it starts the thread when all is there.

    Args:
        kind: what requests are read as; other things in the inbox are the engine's own.
        capacity: requests under way that count; `submit` waits when there are more.
    """

    def __init__(self, kind: type[R], capacity: int) -> None:
        self._kind = kind
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way = UnderWay[R](capacity)
        self._closing = False
        self._ended_at = time.monotonic()
        """When the device last came to an end of something, or was given something to do."""
        self._gate = threading.Lock()
        """Held to look at `_closing` and act on it: what is put into the inbox is answered, or told."""
        self._dead: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="askpix-engine", daemon=True)

    # Called from any thread. ----------------------------------------------------------------------

    def submit(self, request: Request) -> Ticket:
        taken = self._read(request)
        self._under_way.wait_for_room(taken)
        with self._gate:
            if not self._closing:
                self._inbox.put(taken)
                return taken.ticket
        self._under_way.give_up_room(taken)
        raise EngineStoppedError from self._dead

    @property
    def stopped(self) -> bool:
        return not self._thread.is_alive()

    def stuck(self) -> float:
        return time.monotonic() - self._ended_at if self._under_way else 0.0

    def close(self) -> None:
        with self._gate:
            self._closing = True
        self._inbox.put(None)
        self._thread.join()

    @abstractmethod
    def _read(self, request: Request) -> R:
        """Returns a request as one of this engine; raises RequestError where it cannot be answered."""

    # Called from the engine's thread. ---------------------------------------------------------------

    @abstractmethod
    def _turn(self) -> None:
        """Takes what has come, waiting for it where there is nothing else to do, and does what there is to do once."""

    def _take_in(self, request: R) -> None:
        """Has a request of the inbox under way."""
        if not self._under_way:
            self._ended_at = time.monotonic()
        self._under_way.add(request)

    @property
    def _over(self) -> bool:
        """Whether the engine is closed, and has ended all that it took."""
        return self._closing and not self._under_way and self._inbox.empty()

    def _run(self) -> None:
        try:
            while not self._over:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - the thread must not die silently
            self._dead = error
            _log.critical("the engine has stopped", exc_info=error)
        finally:
            with self._gate:
                self._closing = True
            while not self._inbox.empty():
                if isinstance(entry := self._inbox.get(), self._kind):
                    self._under_way.add(entry)
            self._under_way.fail_all(EngineStoppedError())
