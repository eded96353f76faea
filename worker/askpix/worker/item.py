"""One item in work: its questions are asked of its image, and what comes back becomes a row."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence

from askpix.producer.items import Item, Options, Question
from askpix.producer.rows import Answer, Row, Status
from askpix.worker.engine.base import Engine, Request, Ticket
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.loading import ImageFacts, LoadedImage, internal_error

_log = logging.getLogger(__name__)


class ItemWork:
    """An item in work, from its image to its row.

    Args:
        engine: that has the image and answers.
        started: when the item was taken, as `time.monotonic()` counts.
        attempts: how many times the item was tried, this one included.
        ended: called once, when the row is complete; on the engine's thread, unless nothing was asked, so it has
            to be quick.
    """

    __slots__ = (
        "_attempts",
        "_ended",
        "_ended_at",
        "_engine",
        "_facts",
        "_next",
        "_over",
        "_started",
        "_tickets",
        "item",
    )

    def __init__(
        self,
        item: Item,
        engine: Engine,
        *,
        started: float,
        attempts: int = 1,
        ended: Callable[[ItemWork], None] | None = None,
    ) -> None:
        self.item = item
        self._engine = engine
        self._started = started
        self._attempts = attempts
        self._ended = ended
        self._ended_at: float | None = None
        self._facts = ImageFacts()
        self._tickets: list[Ticket | ItemError] = []
        """Of each question; an error where it could not even be asked."""
        self._next = 0
        """Which ticket is to end next: those before it have."""
        self._over = False

    def ask(
        self,
        image: LoadedImage,
        questions: Sequence[Question] | None,
        options: Options,
        *,
        urgent: bool = False,
        deadline: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Asks the item's questions, or says why its image cannot be asked; waits where the engine is full.

        Args:
            questions: asked where the item has none of its own; None captions.
            urgent: overtake what is not.
            deadline: as `time.monotonic()` counts; what the engine has not answered by then fails.
            seconds: that the engine may work on each.

        Raises:
            EngineStoppedError: the worker is of no more use; `ended` is not called.
        """
        if image.handle is not None:
            for question in self.item.questions or questions or (None,):
                if self._over:
                    break
                request = Request(
                    images=(image.handle,),
                    question=question,
                    options=options,
                    urgent=urgent,
                    deadline=deadline,
                    seconds=seconds,
                )
                self._tickets.append(self._submitted(request))
        # Without the handle: the encoding is the requests' alone from now on.
        self._facts = image.facts
        if self._over:
            self.cancel()
        self._follow()

    def cancel(self) -> None:
        """Gives the item up: the engine stops working on it."""
        self._over = True
        for ticket in list(self._tickets):
            if isinstance(ticket, Ticket):
                ticket.cancel()

    def row(self) -> Row:
        """Returns the row of the item, whatever happened to it; waits for its answers.

        Raises:
            EngineStoppedError: the worker is of no more use.
        """
        problem, answers = self._facts.problem, list[Answer]()
        for ticket in self._tickets:
            try:
                answers.append(_answer(ticket))
            except ItemError as error:
                # Of several, the first question's.
                problem = problem or error
        ended_at = time.monotonic() if self._ended_at is None else self._ended_at
        item, facts, info = self.item, self._facts, self._engine.info
        return Row(
            id=item.id or item.image,
            group=item.group,
            image=item.image,
            status=Status.OK if problem is None else Status.ERROR,
            answers=tuple(answers),
            error_code=None if problem is None else problem.code,
            error_message=None if problem is None else problem.message,
            retryable=None if problem is None else problem.retryable,
            width=facts.width,
            height=facts.height,
            sha256=facts.sha256,
            attempts=self._attempts,
            model=info.model,
            fingerprint=info.fingerprint,
            precision=info.precision,
            device=info.device,
            seconds=round(ended_at - self._started, 4),
            extra=json.dumps(item.extra, ensure_ascii=False) if item.extra else None,
        )

    def _submitted(self, request: Request) -> Ticket | ItemError:
        try:
            return self._engine.submit(request)
        except EngineStoppedError:
            raise
        except ItemError as error:
            return error
        except BaseException as error:  # noqa: BLE001 - one item must never take its part down
            _log.exception("item %s failed unexpectedly", self.item.id)
            return internal_error(error)

    def _follow(self) -> None:
        """Waits for one ticket after the other: so only one callback is out at a time, and no lock is needed."""
        while self._next < len(self._tickets):
            ticket = self._tickets[self._next]
            if isinstance(ticket, Ticket) and not ticket.done():
                ticket.add_done_callback(self._follow)
                return
            self._next += 1
        self._ended_at = time.monotonic()
        if self._ended is not None:
            self._ended(self)


def _answer(ticket: Ticket | ItemError) -> Answer:
    if isinstance(ticket, ItemError):
        raise ticket
    return ticket.result()
