"""One item in work: its questions are asked of its image, and what comes back becomes a row."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from askpix.producer.items import Item, Turn
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Row, Status
from askpix.worker.asker import Asker, Asking
from askpix.worker.engine.base import Askable, ImageHandle
from askpix.worker.follow_ups import FollowUps
from askpix.worker.inquiry import Inquiry
from askpix.worker.item_errors import EngineStoppedError, ItemError
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.logs.about import carried


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
        "_inquiries",
        "_later",
        "_next",
        "_over",
        "_started",
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
        self._inquiries: list[Inquiry] = []
        """Of each question."""
        self._later: _Later | None = None
        """Asks those that wait for others; None where there are none."""
        self._next = 0
        """Which inquiry is to end next: those before it have."""
        self._over = False

    def ask(
        self,
        image: LoadedImage,
        questions: Sequence[Question] | None,
        how: Asking,
        *,
        before: Sequence[ImageHandle] = (),
        history: tuple[Turn, ...] = (),
        shown: tuple[str, ...] = (),
    ) -> None:
        """Asks the item's questions, or says why its image cannot be asked; waits where the engine is full.

        Args:
            questions: asked where the item has none of its own; None captions.
            how: they are asked.
            before: images that are shown before this one.
            history: what was asked before.
            shown: those images that are shown with the questions, where the history shows others.

        Raises:
            EngineStoppedError: the worker is of no more use; `ended` is not called.
        """
        if image.handle is not None:
            asker = Asker(self.item, self._engine, (*before, image.handle), how)
            self._inquiries = [Inquiry(question) for question in self.item.questions or questions or (None,)]
            if any(inquiry.waits for inquiry in self._inquiries):
                self._later = _Later(FollowUps(self._inquiries, history, shown), asker)
            for inquiry in self._inquiries:
                if self._over:
                    break
                if not inquiry.waits:
                    inquiry.ask(asker, history)
        # Without the handle: the encoding is the requests' alone from now on.
        self._facts = image.facts
        if self._over:
            self.cancel()
        self._go_on(follows=False)

    def cancel(self) -> None:
        """Gives the item up: the engine stops working on it."""
        self._over = True
        for inquiry in self._inquiries:
            inquiry.cancel()

    def pieces(self, pause: float) -> Iterator[str]:
        """Yields the text of the first question's answer as it comes; see `Inquiry.pieces`.

        Where there is none, or what was yielded is not so any more, it ends: `row` has what is so.
        """
        if self._inquiries:
            with suppress(ItemError, EngineStoppedError):
                yield from self._inquiries[0].pieces(pause)

    def problems(self) -> list[ItemError]:
        """Returns why the image, or some of the questions, have no answer; once the item has ended.

        Raises:
            EngineStoppedError: the worker is of no more use.
        """
        return self._outcome()[1]

    def row(self) -> Row:
        """Returns the row of the item, whatever happened to it; waits for its answers.

        Raises:
            EngineStoppedError: the worker is of no more use.
        """
        answers, problems = self._outcome()
        # Of several, the first question's.
        problem = problems[0] if problems else None
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

    def _outcome(self) -> tuple[list[Answer], list[ItemError]]:
        """Returns the answers and the errors of the image and its questions; waits for them."""
        if self._later is not None:
            self._later.complete.wait()
        answers, problems = list[Answer](), [] if self._facts.problem is None else [self._facts.problem]
        for inquiry in self._inquiries:
            if not inquiry.is_asked:
                # It depends on an answer that was another one, or is not there.
                continue
            try:
                answers.append(inquiry.answer())
            except ItemError as error:
                problems.append(error)
        return answers, problems

    def _go_on(self, *, follows: bool = True) -> None:
        """Waits for one ticket after the other: so only one callback is out at a time, and no lock is needed.

        Args:
            follows: whether this is such a callback, which must not wait.
        """
        while True:
            if self._later is not None:
                for inquiry in self._later.ended(self._next, follows=follows):
                    if self._over:
                        inquiry.cancel()
            if self._next == len(self._inquiries):
                break
            ticket = self._inquiries[self._next].pending()
            if ticket is not None:
                ticket.add_done_callback(self._go_on)
                return
            self._next += 1
        self._ended_at = time.monotonic()
        if self._later is not None:
            self._later.end()
        if self._ended is not None:
            self._ended(self)


class _Later:
    """Asks the questions that wait, when their time has come."""

    def __init__(self, questions: FollowUps, asker: Asker) -> None:
        self._questions = questions
        # On the engine's thread, which has requests of many items.
        self._ask = carried(lambda inquiry, history, follows: inquiry.ask(asker, history, follows=follows))
        self.complete = threading.Event()
        """Set when there is nothing left to ask."""

    def ended(self, number: int, *, follows: bool) -> Sequence[Inquiry]:
        """Says that the first so many questions have ended; returns those that waited for them."""
        return self._questions.ended(number, lambda inquiry, history: self._ask(inquiry, history, follows))

    def end(self) -> None:
        """Says that there is nothing left to ask; the images are let go."""
        del self._ask
        self.complete.set()
