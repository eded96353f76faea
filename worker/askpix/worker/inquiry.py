"""One question of an item: what was asked of the engine for it, and what came of that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from askpix.producer.items import Turn
from askpix.producer.judging import judged
from askpix.producer.placeholders import MissingValueError
from askpix.producer.questions import YES, Question
from askpix.producer.rows import Answer, Choice, Kind
from askpix.producer.terms import joined
from askpix.worker.asker import Asker
from askpix.worker.engine.ticket import Ticket
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import EngineStoppedError, ItemError, internal_error

Asked = Ticket | ItemError | EngineStoppedError
"""What became of one thing that the engine was to be asked."""

_CANCELLED = ItemError(Code.CANCELLED, "the request was cancelled", retryable=True)


class Inquiry:
    """A question on its way to its answer. A question about each of several choices asks the engine for each.

    Args:
        question: as a sheet has it; None captions.
    """

    __slots__ = ("_answer", "_asked", "_text", "history", "question")

    def __init__(self, question: Question | None) -> None:
        self.question = question
        self.history: tuple[Turn, ...] | None = None
        """What it came after, of this item; None where it came after nothing."""
        self._asked: list[Asked] = []
        self._text = ""
        self._answer: Answer | ItemError | None = None

    @property
    def waits(self) -> bool:
        """Whether others have to be answered before it is asked."""
        return self.question is not None and (self.question.after is not None or self.question.when is not None)

    @property
    def is_asked(self) -> bool:
        """Whether anything was asked, or said of why it cannot be."""
        return bool(self._asked)

    def ask(self, asker: Asker, history: tuple[Turn, ...] = (), *, follows: bool = False) -> None:
        """Asks the engine; waits where that is full, unless it `follows` an answer.

        Raises:
            EngineStoppedError: the engine is of no more use.
        """
        question = self.question
        if question is None or not question.multiple:
            self._asked.append(asker.ask(question, history, follows=follows))
            return
        assert question.choices is not None
        for choice in question.choices:
            self._asked.append(asker.ask(question, history, choice=choice, follows=follows))
        try:
            self._text = asker.text(question)
        except MissingValueError:
            # Which the engine was not asked for either.
            self._text = question.text

    def fail(self, error: ItemError | EngineStoppedError) -> None:
        """Says why it is not asked, or not any more."""
        self._asked.append(error)

    def cancel(self) -> None:
        """Gives it up: the engine stops working on it."""
        if not self._asked and not self.waits:
            self.fail(_CANCELLED)
        for one in list(self._asked):
            if isinstance(one, Ticket):
                one.cancel()

    def pending(self) -> Ticket | None:
        """Returns a ticket that has not ended; None where there is none."""
        return next((one for one in self._asked if isinstance(one, Ticket) and not one.done()), None)

    def pieces(self, pause: float) -> Iterator[str]:
        """Yields the answer's text as it comes, in one where that is not the model's own; see `Ticket.pieces`.

        Raises:
            ItemError: as `answer`; or what was yielded is not so any more.
            EngineStoppedError: the engine has ended.
        """
        if self.question is not None and self.question.is_judged:
            yield self.answer().text
        elif self._asked and isinstance(ticket := self._asked[0], Ticket):
            yield from ticket.pieces(pause=pause)

    def answer(self) -> Answer:
        """Returns the answer as a row has it; waits for it.

        Raises:
            ItemError: there is none.
            EngineStoppedError: the engine has ended.
        """
        if self._answer is None:
            try:
                self._answer = self._judged([_result(one) for one in self._asked])
            except ItemError as error:
                self._answer = error
        if isinstance(self._answer, ItemError):
            raise self._answer
        return self._answer

    def said(self, shown: tuple[str, ...]) -> tuple[Turn, ...]:
        """Returns what a model is told again of the question: the model's own words, not the shop's.

        Args:
            shown: images that are shown with it.

        Raises:
            ItemError, EngineStoppedError: as `answer`.
        """
        # Not by `answer`, which a calibration may have made another one.
        raw = [_result(one) for one in self._asked]
        return tuple(Turn(one.question or "", one.text, () if place else shown) for place, one in enumerate(raw))

    def _judged(self, raw: Sequence[Answer]) -> Answer:
        question = self.question
        if question is None or not question.is_judged:
            return raw[0]
        try:
            return judged(question, combined(question, self._text, raw) if question.multiple else raw[0])
        except Exception as error:  # noqa: BLE001 - one item must never take its part down
            raise internal_error(error) from None


def combined(question: Question, text: str, raw: Sequence[Answer]) -> Answer:
    """Returns the answer to a question about each of its choices, from what was said of each.

    Args:
        text: of the question, as it was asked about this image.
        raw: answers of yes or no, in the order of the choices.
    """
    assert question.choices is not None
    yes = [_yes(one) for one in raw]
    counted = [one.prompt_tokens for one in raw if one.prompt_tokens is not None]
    looked_up = [one.cached for one in raw if one.cached is not None]
    return Answer(
        name=question.title,
        kind=Kind.MULTIPLE,
        question=text,
        text=joined(choice for choice, p in zip(question.choices, yes, strict=True) if p >= 0.5),
        confidence=math.prod(max(p, 1 - p) for p in yes),
        tokens=sum(one.tokens for one in raw),
        choices=tuple(Choice(text=choice, probability=p) for choice, p in zip(question.choices, yes, strict=True)),
        prompt_tokens=sum(counted) if len(counted) == len(raw) else None,
        cached=all(looked_up) if len(looked_up) == len(raw) else None,
    )


def _yes(answer: Answer) -> float:
    return next(choice.probability for choice in answer.choices or () if choice.text == YES)


def _result(asked: Asked) -> Answer:
    if isinstance(asked, Ticket):
        return asked.result()
    raise asked
