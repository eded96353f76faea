"""One item in work: its questions are asked of its image, and what comes back becomes a row."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from askpix.producer.items import Item, Options, Turn
from askpix.producer.placeholders import MissingValueError, filled_options, filled_question, values_of
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Row, Status
from askpix.worker.engine.base import Askable, ImageHandle, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.follow_ups import Asked, FollowUps, answer_of
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
        "_later",
        "_next",
        "_over",
        "_started",
        "_tickets",
        "item",
    )

    def __init__(
        self,
        item: Item,
        engine: Askable,
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
        self._tickets: list[Asked] = []
        """Of each question; an error where it could not even be asked."""
        self._later: FollowUps | None = None
        """Questions that come after others; None where there are none."""
        self._next = 0
        """Which ticket is to end next: those before it have."""
        self._over = False

    def ask(
        self,
        image: LoadedImage,
        questions: Sequence[Question] | None,
        options: Options,
        *,
        before: Sequence[ImageHandle] = (),
        history: tuple[Turn, ...] = (),
        shown: tuple[str, ...] = (),
        fill: bool = False,
        urgent: bool = False,
        deadline: float | None = None,
        seconds: float | None = None,
        stream: bool = False,
    ) -> None:
        """Asks the item's questions, or says why its image cannot be asked; waits where the engine is full.

        Args:
            questions: asked where the item has none of its own; None captions.
            before: images that are shown before this one.
            history: what was asked before.
            shown: those images that are shown with the questions, where the history shows others.
            fill: put the item's columns where texts name them.
            urgent: overtake what is not.
            deadline: as `time.monotonic()` counts; what the engine has not answered by then fails.
            seconds: that the engine may work on each.
            stream: whether the answers are read while they are generated.

        Raises:
            EngineStoppedError: the worker is of no more use; `ended` is not called.
        """
        if image.handle is not None:
            asked = self.item.questions or questions or (None,)
            images = (*before, image.handle)
            request = partial(
                self._request,
                images,
                options,
                fill=fill,
                urgent=urgent,
                deadline=deadline,
                seconds=seconds,
                stream=stream,
            )
            if any(question is not None and question.after is not None for question in asked):
                self._later = FollowUps(asked, request, history, shown)
            for question in asked:
                if self._over:
                    break
                follows = question is not None and question.after is not None
                self._tickets.append(None if follows else request(question, history))
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

    def pieces(self, pause: float) -> Iterator[str]:
        """Yields the text of the first question's answer as it comes; see `Ticket.pieces`.

        Where there is none, or what was yielded is not so any more, it ends: `row` has what is so.
        """
        ticket = self._tickets[0] if self._tickets else None
        if isinstance(ticket, Ticket):
            with suppress(ItemError, EngineStoppedError):
                yield from ticket.pieces(pause=pause)

    def row(self) -> Row:
        """Returns the row of the item, whatever happened to it; waits for its answers.

        Raises:
            EngineStoppedError: the worker is of no more use.
        """
        if self._later is not None:
            self._later.complete.wait()
        problem, answers = self._facts.problem, list[Answer]()
        for ticket in self._tickets:
            try:
                answers.append(answer_of(ticket))
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

    def _request(
        self,
        images: tuple[ImageHandle, ...],
        options: Options,
        question: Question | None,
        history: tuple[Turn, ...] = (),
        *,
        fill: bool,
        urgent: bool,
        deadline: float | None,
        seconds: float | None,
        stream: bool,
    ) -> Ticket | ItemError:
        try:
            if fill:
                values = values_of(self.item)
                options = filled_options(options, values)
                question = None if question is None else filled_question(question, values)
            return self._engine.submit(
                Request(
                    images=images,
                    question=question,
                    options=options,
                    history=history,
                    urgent=urgent,
                    deadline=deadline,
                    seconds=seconds,
                    stream=stream,
                )
            )
        except EngineStoppedError:
            raise
        except MissingValueError as error:
            return ItemError(
                "missing_value", f"the list has nothing here in the column {error.column!r}, which is asked"
            )
        except ItemError as error:
            # Which would hold the image.
            return error.with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - one item must never take its part down
            _log.exception("item %s failed unexpectedly", self.item.id)
            return internal_error(error)

    def _follow(self) -> None:
        """Waits for one ticket after the other: so only one callback is out at a time, and no lock is needed."""
        while self._next < len(self._tickets):
            ticket = self._tickets[self._next]
            if ticket is None:
                assert self._later is not None
                ticket = self._tickets[self._next] = self._later.ask(self._next, self._tickets)
                if self._over and isinstance(ticket, Ticket):
                    ticket.cancel()
            if isinstance(ticket, Ticket) and not ticket.done():
                ticket.add_done_callback(self._follow)
                return
            self._next += 1
        self._ended_at = time.monotonic()
        if self._later is not None:
            self._later.end()
        if self._ended is not None:
            self._ended(self)
