"""What whoever asks an engine has in hand until the answer is there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import replace

from askpix.producer.rows import Answer
from askpix.worker.engine.growing import PAUSE_SECONDS, Growing, pieces_of
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.logs.about import about, concerning

_log = logging.getLogger(__name__)


class Ticket:
    """A claim on an answer."""

    # A worker makes one for every question, so it is kept small: no condition, no event before somebody waits.
    __slots__ = (
        "_allowed",
        "_answer",
        "_callbacks",
        "_cancelled",
        "_context",
        "_deadline",
        "_done",
        "_error",
        "_given",
        "_growing",
        "_lock",
        "_seconds",
        "looked_up",
    )

    def __init__(
        self, deadline: float | None = None, seconds: float | None = None, growing: Growing | None = None
    ) -> None:
        self._context = copy_context()
        self._lock = threading.Lock()
        """Held to end the ticket, and to add a callback to one that has not ended."""
        self._done = False
        self._cancelled = False
        self._given = self._deadline = deadline
        self._allowed = self._seconds = seconds
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        self._growing = growing
        self._callbacks: list[Callable[[], None]] = [] if growing is None else [growing.end]
        self.looked_up = False
        """Whether the answer was looked for before the engine was asked: then it says that it was not there."""

    def result(self, timeout: float | None = None) -> Answer:
        """Waits for the answer.

        Raises:
            RequestError: the engine could not answer, the ticket was cancelled or its deadline passed.
            EngineStoppedError: the engine has ended.
            TimeoutError: nothing came within `timeout` seconds; the request goes on.
        """
        if not self._done:
            ended = threading.Event()
            self.add_done_callback(ended.set)
            if not ended.wait(timeout):
                raise TimeoutError(f"no answer within {timeout} s")
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        if self.looked_up and self._answer.cached is None:
            return replace(self._answer, cached=False)
        return self._answer

    def pieces(self, timeout: float | None = None, pause: float = PAUSE_SECONDS) -> Iterator[str]:
        """Yields the answer's text as it comes, in pieces that together are the text of `result`.

        It comes in one, at the end, where the request was not said to `stream`, where the engine cannot, and where the
        text is not known before: with choices, beams, several texts or a JSON schema. Nobody waits for who reads: what
        has come meanwhile is in the next piece.

        Args:
            timeout: in seconds, for each piece.
            pause: seconds between two pieces, at the least; the end does not wait for it.

        Raises:
            RequestError: as `result`; or the engine had to begin anew, and what was yielded is not so any more.
            EngineStoppedError: the engine has ended.
            TimeoutError: nothing came within `timeout` seconds; the request goes on.
        """
        texts = () if self._growing is None else self._growing.texts(timeout, pause)
        return pieces_of(texts, lambda: self.result(timeout).text)

    def done(self) -> bool:
        """Returns whether `result` will return at once."""
        return self._done

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        """Has a function called when the ticket ends, however it does; at once where it has ended.

        It is called on the engine's thread, which works on nothing else meanwhile: so it has to be quick, and must
        not wait. What it raises is logged and goes no further.
        """
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def cancel(self) -> None:
        """Gives the claim up; the engine stops working on it when it next looks."""
        self._cancelled = True

    # For engines. --------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """In which it was asked for: what lines that are logged on it are about."""
        return self._context

    @property
    def growing(self) -> Growing | None:
        """What the text's tokens are to be told to, as they come; None where nobody reads them."""
        return self._growing

    def begin(self) -> None:
        """Says that the engine works on it from now on; said again, it changes nothing."""
        if self._seconds is not None:
            ends = time.monotonic() + self._seconds
            self._deadline = ends if self._deadline is None else min(self._deadline, ends)
            self._seconds = None

    def put_back(self) -> None:
        """Says that the engine begins anew with it later, for no fault of its own: it has all its time again."""
        self._deadline, self._seconds = self._given, self._allowed

    def abandoned(self) -> RequestError | None:
        """Returns why nobody waits for this any more, or None."""
        if self._cancelled:
            return RequestError(Code.CANCELLED, "the request was cancelled", retryable=True)
        if self._deadline is not None and time.monotonic() > self._deadline:
            return RequestError(Code.DEADLINE, "the model did not answer in time", retryable=True)
        return None

    def resolve(self, answer: Answer) -> None:
        """Ends the ticket with an answer; one that has ended stays as it is."""
        self._end(answer, None)

    def fail(self, error: BaseException) -> None:
        """Ends the ticket with an error; one that has ended stays as it is."""
        self._end(None, error)

    def _end(self, answer: Answer | None, error: BaseException | None) -> None:
        with self._lock:
            if self._done:
                return
            self._answer, self._error, self._done = answer, error, True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - the engine goes on with the others
            with about(**concerning([self._context])):
                _log.exception("a ticket's callback failed")
