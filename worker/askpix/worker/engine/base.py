"""What every engine offers: requests in, tickets out. Which requests share a batch is the engine's affair."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from askpix.producer.items import Options, Question, Turn
from askpix.producer.rows import Answer
from askpix.worker.engine.growing import Growing, pieces_of
from askpix.worker.errors import ItemError, RequestError
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.instruments import StageHistograms
from askpix.worker.logs.about import about, concerning

_log = logging.getLogger(__name__)


class Ability(StrEnum):
    """What an engine can do with an image."""

    CAPTION = "caption"
    ANSWER = "answer"
    CHOICES = "choices"
    MATCH = "match"
    CHAT = "chat"
    IMAGES = "images"
    """Several in one conversation."""


READING = frozenset((Ability.ANSWER, Ability.MATCH))
"""What a model does with a text about an image."""


class ImageHandle:
    """An image that was given to an engine. Its encoding is kept for as long as the handle is."""


H = TypeVar("H", bound=ImageHandle)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One thing to find out about an image (or several, where the engine takes several)."""

    images: tuple[ImageHandle, ...]
    """All that are shown, in order; of which the turns of the history show as many as they name. The others stand in
    front of the question, or of the first one where no turn shows any."""

    question: Question | None
    """None asks for a caption."""

    options: Options = field(default_factory=Options)
    history: tuple[Turn, ...] = ()
    """What was asked before. Such a request follows one that has ended, and never waits for room."""

    deadline: float | None = None
    """As `time.monotonic()` counts; a request that is not answered by then fails with `deadline`."""

    seconds: float | None = None
    """That the engine may work on it; a request that takes longer fails with `deadline`. What it waits does not
    count."""

    urgent: bool = False
    """Whether somebody waits for this one answer. It overtakes those that are not urgent wherever requests
    wait, and shares batches with them; urgent ones keep their order. The answer is the same either way.
    Others get no further while urgent ones keep coming, so whoever submits these must bound them."""

    stream: bool = False
    """Whether somebody reads the answer while it is generated: see `Ticket.pieces`. It is the same either way."""


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
        return self._answer

    def pieces(self, timeout: float | None = None) -> Iterator[str]:
        """Yields the answer's text as it comes, in pieces that together are the text of `result`.

        It comes in one, at the end, where the request was not said to `stream`, where the engine cannot, and where the
        text is not known before: with choices, beams, several texts or a JSON schema. Nobody waits for who reads: what
        has come meanwhile is in the next piece.

        Args:
            timeout: in seconds, for each piece.

        Raises:
            RequestError: as `result`; or the engine had to begin anew, and what was yielded is not so any more.
            EngineStoppedError: the engine has ended.
            TimeoutError: nothing came within `timeout` seconds; the request goes on.
        """
        texts = () if self._growing is None else self._growing.texts(timeout)
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
            return RequestError("cancelled", "the request was cancelled", retryable=True)
        if self._deadline is not None and time.monotonic() > self._deadline:
            return RequestError("deadline", "the model did not answer in time", retryable=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineInfo:
    """What an engine runs, as results report it."""

    model: str
    fingerprint: str
    device: str
    precision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """How the stages of an engine do. Their names are of a small set that does not change while it runs."""

    stages: Mapping[str, StageHistograms] = field(default_factory=dict)
    """What each did since the engine was built, in batches."""

    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Texts that are being generated now, and the places for them, by what generates them."""

    under_way: int = 0
    """Requests that were taken and are not answered."""

    reused: int | None = None
    """How often a request's image was already encoded, or was being; None where that is not known."""


def opened_or_problem(open_image: Callable[[Pixels], H], pixels: Pixels) -> H | ItemError:
    """Returns a handle on an image, or why there is none."""
    try:
        return open_image(pixels)
    except ItemError as error:
        # Which would hold the image.
        return error.with_traceback(None)


class Engine(ABC):
    """One compiled model on one device. Every method may be called from any thread."""

    recipe: Callable[[], Engine]
    """Builds another one like it, in this process or, since it can be pickled, in any other."""

    info: EngineInfo
    abilities: frozenset[Ability]
    image_form: ImageForm

    @abstractmethod
    def open_image(self, pixels: Pixels) -> ImageHandle:
        """Returns a handle on an image of the engine's form. The array must not be written to afterwards."""

    def open_images(self, several: Sequence[Pixels]) -> list[ImageHandle | ItemError]:
        """Returns handles on images that one request shows; in the place of one that cannot be shown, why."""
        return [opened_or_problem(self.open_image, pixels) for pixels in several]

    @abstractmethod
    def submit(self, request: Request) -> Ticket:
        """Takes a request, or waits while too many are under way; one that is urgent, or follows another, never does.

        Raises:
            RequestError: the request cannot be answered by this engine, whatever the image shows.
            EngineStoppedError: the engine has ended.
        """

    @property
    @abstractmethod
    def stopped(self) -> bool:
        """Whether the engine takes no more requests: it was closed, or has failed as a whole."""

    @abstractmethod
    def stuck(self) -> float:
        """Returns for how many seconds the device has not come to an end of what it does; 0 where it has nothing to
        do."""

    @abstractmethod
    def counters(self) -> Mapping[str, int]:
        """Returns how much the engine has done since it was built, by name."""

    def measures(self) -> Measures:
        """Returns how its stages do; nothing, where it does not measure them."""
        return Measures()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Frees the memory that the engine's model takes, for a block that needs it for a model of its own.

        What is asked meanwhile waits. An engine that takes little goes on.
        """
        yield

    @abstractmethod
    def close(self) -> None:
        """Answers what was submitted, then frees the device."""
