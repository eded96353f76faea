"""The requests that an engine has taken and not answered yet, and the room for them."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, Generic, Protocol, TypeVar

from askpix.producer.rows import Answer
from askpix.worker.engine.failures import request_error
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import EngineStoppedError, RequestError
from askpix.worker.logs.about import about, concerning

_REMEMBERED = 256
"""Requests that failed at a time; a batch has fewer."""


class Taken(Protocol):
    """A request that an engine has taken."""

    @property
    def counts(self) -> bool:
        """Whether it waits for room, and takes some."""

    @property
    def ticket(self) -> Ticket: ...


R = TypeVar("R", bound=Taken)


class UnderWay(Generic[R]):
    """Knows each request until its ticket is told, in whichever stage that is.

    `wait_for_room` and `give_up_room` may be called from any thread; the rest is the engine's thread's.
    """

    def __init__(self, capacity: int) -> None:
        self._room = threading.Semaphore(capacity)
        self._requests: set[R] = set()
        self._failed = deque[tuple[BaseException, Context]](maxlen=_REMEMBERED)
        """Why requests have failed, and what they were about, until that is logged."""
        self.answers = 0
        """Requests that were answered."""

    def __bool__(self) -> bool:
        return bool(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def wait_for_room(self, request: R) -> None:
        """Waits until fewer than `capacity` requests are under way that count."""
        if request.counts:
            self._room.acquire()

    def give_up_room(self, request: R) -> None:
        if request.counts:
            self._room.release()

    def add(self, request: R) -> None:
        self._requests.add(request)

    def abandoned(self, request: R) -> bool:
        """Returns whether nobody waits for a request any more; its ticket is told."""
        if reason := request.ticket.abandoned():
            self.fail(request, reason)
            return True
        return False

    def finish(self, request: R, answer: Answer) -> None:
        self.answers += 1
        request.ticket.resolve(answer)
        self._leave(request)

    def fail(self, request: R, error: BaseException) -> None:
        if not isinstance(error, RequestError | EngineStoppedError):
            self._failed.append((error, request.ticket.context))
        request.ticket.fail(request_error(error))
        self._leave(request)

    def about_failed(self, error: BaseException) -> AbstractContextManager[Any]:
        """Has the lines of a block say that they are about the requests that have just failed for an error."""
        failed = [context for why, context in self._failed if why is error]
        self._failed.clear()
        return about(**concerning(failed))

    def fail_all(self, error: BaseException) -> None:
        for request in list(self._requests):
            self.fail(request, error)

    def _leave(self, request: R) -> None:
        # A request of many choices can end more than once.
        if request in self._requests:
            self._requests.remove(request)
            self.give_up_room(request)
