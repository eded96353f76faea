"""What an item asks of an engine: the one place where a question becomes a request, and a ticket for its raw answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache

from askpix.producer.braces import CHOICE, with_choice
from askpix.producer.items import Item, Options, Turn
from askpix.producer.placeholders import (
    MissingValueError,
    filled,
    filled_options,
    filled_question,
    values_of,
)
from askpix.producer.questions import NO, YES, Question
from askpix.worker.engine.base import Askable, ImageHandle, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import EngineStoppedError, ItemError, internal_error

_log = logging.getLogger(__name__)

_UNJUDGED = dict.fromkeys(("below", "then", "map", "calibration"))
"""What is no affair of the model's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """How all questions of an item are asked; see `Request`."""

    options: Options = field(default_factory=Options)
    fill: bool = False
    """Put the item's columns where texts name them."""

    urgent: bool = False
    deadline: float | None = None
    seconds: float | None = None
    stream: bool = False


class Asker:
    """Asks an engine about the images of one item, a question at a time.

    Args:
        item: whose columns may be put where texts name them.
        images: that are shown, in order; see `Request`.
        how: all its questions are asked.
    """

    __slots__ = ("_engine", "_how", "_images", "_item")

    def __init__(self, item: Item, engine: Askable, images: tuple[ImageHandle, ...], how: Asking) -> None:
        self._item = item
        self._engine = engine
        self._images = images
        self._how = how

    def ask(
        self,
        question: Question | None,
        history: tuple[Turn, ...] = (),
        *,
        choice: str | None = None,
        follows: bool = False,
    ) -> Ticket | ItemError:
        """Returns a ticket for what the model says, or why it cannot even be asked.

        Args:
            question: as a sheet has it; None captions.
            history: what was asked before.
            choice: the one that is asked about, where the question is about each of its choices.
            follows: whether it is asked for an answer that is there, and so never waits for room.

        Raises:
            EngineStoppedError: the engine is of no more use.
        """
        how = self._how
        try:
            return self._engine.submit(
                Request(
                    images=self._images,
                    question=None if question is None else self._plain(question, choice),
                    options=filled_options(how.options, values_of(self._item)) if how.fill else how.options,
                    history=history,
                    follows=follows,
                    urgent=how.urgent,
                    deadline=how.deadline,
                    seconds=how.seconds,
                    stream=how.stream,
                )
            )
        except EngineStoppedError:
            raise
        except MissingValueError as error:
            return ItemError(
                Code.MISSING_VALUE, f"the list has nothing here in the column {error.column!r}, which is asked"
            )
        except ItemError as error:
            # Which would hold the image.
            return error.with_traceback(None)
        except BaseException as error:  # noqa: BLE001 - one item must never take its part down
            _log.exception("item %s failed unexpectedly", self._item.id)
            return internal_error(error)

    def text(self, question: Question, choice: str = f"{{{CHOICE}}}") -> str:
        """Returns a question's text as this item has it, with a choice where it is about each of its choices.

        Raises:
            MissingValueError: a column is not there, or holds nothing.
        """
        if self._how.fill:
            values = values_of(self._item)
            return filled(question.text, {**values, CHOICE: choice} if question.multiple else values)
        return with_choice(question.text, choice) if question.multiple else question.text

    def _plain(self, question: Question, choice: str | None) -> Question:
        """Returns what the model itself is asked, of what a sheet says of a question."""
        if choice is not None:
            return _yes_or_no(self.text(question, choice))
        if self._how.fill:
            question = filled_question(question, values_of(self._item))
        return question.model_copy(update=_UNJUDGED) if question.is_judged else question


@lru_cache(maxsize=1_000)
def _yes_or_no(text: str) -> Question:
    # A part's items are asked the same, and checking it takes longer than all else that is done here.
    return Question(text, choices=(YES, NO))
