"""What happens when a person asks: one model after the other answers, and what there is to show is yielded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from askpix.producer.errors import AskpixError
from askpix.worker.errors import ItemError
from askpix.worker.playground.dropped import Dropped, read_dropped
from askpix.worker.playground.form import Asked, asked_of
from askpix.worker.playground.models import AtHand, Chosen, Source
from askpix.worker.playground.sitting import Conversation, Sitting, Sittings
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told
from askpix.worker.vlm.templates import CAPTION

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """What a person has filled in."""

    image: str | None
    """Path of the file that the page has stored."""

    question: str
    choices: str
    """One a line."""

    settings: Mapping[str, Any]
    sides: Sequence[Chosen]
    """The models that are to answer, side by side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What one side of the page shows."""

    told: Told = field(default_factory=Told)
    messages: tuple[tuple[str, str], ...] | None = None
    """What was said, as pairs of user or assistant, and text; None where the model does not chat."""


class Playground:
    """Answers what pages ask.

    Args:
        source: where answers come from.
        roots: folders in which images may be.
    """

    def __init__(self, source: Source, roots: Sequence[Path]) -> None:
        self.source = source
        self.sittings = Sittings()
        self._roots = tuple(roots)

    def ask(self, page: str, filled: Filled) -> Iterator[tuple[Shown, ...]]:
        """Yields what each side shows, as answers come.

        Args:
            page: which open page asks; a page has one thing answered at a time.
        """
        sitting = self.sittings.of(page)
        stop = sitting.begin()
        shown = [Shown() for _ in filled.sides]
        try:
            image = read_dropped(filled.image, self._roots)
            known = {model.name: model for model in self.source.models()}
        except AskpixError as error:
            yield tuple(Shown(told=Told(problem=str(error))) for _ in filled.sides)
            return
        for number, chosen in enumerate(filled.sides):
            for one in self._side(sitting, number, known.get(chosen.model), chosen, filled, image, stop):
                shown[number] = one
                if not stop.forgotten:
                    yield tuple(shown)
        if stop.forgotten:
            # The last word counts, whichever of the two answers the browser has first.
            yield tuple(Shown() for _ in filled.sides)

    def clear(self, page: str) -> None:
        self.sittings.of(page).clear()

    def stop(self, page: str) -> None:
        self.sittings.of(page).stop()

    def close(self) -> None:
        self.sittings.end_all()
        self.source.close()

    def _side(
        self,
        sitting: Sitting,
        number: int,
        model: AtHand | None,
        chosen: Chosen,
        filled: Filled,
        image: Dropped,
        stop: Stop,
    ) -> Iterator[Shown]:
        try:
            if model is None:
                raise AskpixError(f"{chosen.model[:100]} is not there any more: reload the page")
            asked = asked_of(filled.question, filled.choices, filled.settings, model.abilities)
        except AskpixError as error:
            yield Shown(told=Told(problem=str(error)))
            return
        if stop.is_set:
            yield Shown(told=Told(facts="stopped"))
            return
        conversation = sitting.conversation(number) if model.chats else None
        if conversation is None:
            for told in self._told(chosen, image, asked, None, stop):
                yield Shown(told=told)
            return
        conversation.with_(chosen, image.digest)
        yield from self._conversed(conversation, chosen, image, asked, stop)

    def _conversed(
        self, conversation: Conversation, chosen: Chosen, image: Dropped, asked: Asked, stop: Stop
    ) -> Iterator[Shown]:
        said = CAPTION if asked.question is None else asked.question.text
        told = Told()
        for told in self._told(chosen, image, asked, conversation, stop):
            before = [
                pair for turn in conversation.turns for pair in (("user", turn.question), ("assistant", turn.answer))
            ]
            now = [("user", said), *([("assistant", told.text)] if told.text else [])]
            yield Shown(told=told, messages=(*before, *now))
        if told.said is not None:
            conversation.add(said, told.said)

    def _told(
        self, chosen: Chosen, image: Dropped, asked: Asked, conversation: Conversation | None, stop: Stop
    ) -> Iterator[Told]:
        """Yields an answer as it comes, and at the end why it is none, if that is so."""
        # A caption follows nothing.
        history = () if conversation is None or asked.question is None else conversation.history()
        told = Told()
        try:
            for told in self.source.tell(chosen, image.data, asked, history, stop):
                yield told
        except ItemError as error:
            yield replace(told, facts="", problem=error.message)
        except AskpixError as error:
            yield replace(told, facts="", problem=str(error))
        except Exception as error:  # noqa: BLE001 - the page is told, whatever it is
            _log.exception("a question could not be answered")
            problem = f"askpix failed on this: {type(error).__name__}: {str(error)[:300]}"
            yield replace(told, facts="", problem=problem)
