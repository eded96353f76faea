"""What happens when a person asks: one model after the other answers, and what there is to show is yielded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from askpix.producer.errors import AskpixError
from askpix.worker.item_errors import ItemError
from askpix.worker.playground.conversation import Conversation, Message, Recalled, Said
from askpix.worker.playground.dropped import Dropped, read_dropped
from askpix.worker.playground.form import Asked, asked_of
from askpix.worker.playground.models import AtHand, Chosen, Source
from askpix.worker.playground.places import Places
from askpix.worker.playground.sitting import Sitting, Sittings
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
    messages: tuple[Message, ...] | None = None
    """What was said and shown; None where the model does not chat."""


class Playground:
    """Answers what pages ask.

    Args:
        source: where answers come from.
        roots: folders in which images may be.
        places: how many questions are answered at a time; by default a few.
    """

    def __init__(self, source: Source, roots: Sequence[Path], places: Places | None = None) -> None:
        self.source = source
        self.sittings = Sittings()
        self._roots = tuple(roots)
        self.places = places or Places()

    def ask(self, page: str, filled: Filled) -> Iterator[tuple[Shown, ...]]:
        """Yields what each side shows, as answers come.

        Args:
            page: which open page asks; a page has one thing answered at a time.
        """
        blank = tuple(Shown() for _ in filled.sides)
        try:
            with self.sittings.asking(page) as (sitting, stop):
                for shown in self._in_turn(sitting, filled, stop):
                    if sitting.counts(stop):
                        yield shown
                if sitting.is_clear:
                    # The last word counts, whichever of the two answers the browser has first.
                    yield blank
        except AskpixError as error:
            yield _problem(error, filled)

    def clear(self, page: str) -> None:
        if sitting := self.sittings.find(page):
            sitting.clear()

    def stop(self, page: str) -> None:
        if sitting := self.sittings.find(page):
            sitting.stop()

    def close(self) -> None:
        self.sittings.end_all()
        self.source.close()

    def _in_turn(self, sitting: Sitting, filled: Filled, stop: Stop) -> Iterator[tuple[Shown, ...]]:
        if self.places.are_taken:
            yield tuple(Shown(told=Told(facts="waiting for others")) for _ in filled.sides)
        try:
            with self.places.one(stop):
                yield from self._answered(sitting, filled, stop)
        except AskpixError as error:
            yield _problem(error, filled)

    def _answered(self, sitting: Sitting, filled: Filled, stop: Stop) -> Iterator[tuple[Shown, ...]]:
        """Yields what each side shows.

        Raises:
            AskpixError: there is no image, or the models cannot be had.
        """
        image = read_dropped(filled.image, self._roots)
        known = {model.name: model for model in self.source.models()}
        shown = [Shown() for _ in filled.sides]
        for number, chosen in enumerate(filled.sides):
            for one in self._side(sitting, number, known.get(chosen.model), chosen, filled, image, stop):
                shown[number] = one
                yield tuple(shown)

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
        if not model.chats:
            for told in self._told(chosen, image, asked, None, stop):
                yield Shown(told=told)
            return
        talk = sitting.conversation(stop, number, (chosen, None if model.sees_several else image.picture.digest))
        question, told = CAPTION if asked.question is None else asked.question.text, Told()
        # A caption follows nothing.
        before = None if asked.question is None else talk
        for told in self._told(chosen, image, asked, before, stop):
            now = Said(about=image.picture, question=question, answer=told.text)
            yield Shown(told=told, messages=tuple(talk.messages(now)))
        if told.said is not None:
            sitting.add(stop, talk, Said(about=image.picture, question=question, answer=told.said))

    def _told(
        self, chosen: Chosen, image: Dropped, asked: Asked, before: Conversation | None, stop: Stop
    ) -> Iterator[Told]:
        """Yields an answer as it comes, and at the end why it is none, if that is so.

        Args:
            before: what was said; as many of its turns are told as the model takes.
        """
        talk = before or Conversation(about=None)
        recalled, told = talk.recalled(image, lambda picture: read_dropped(picture.path, self._roots)), Told()
        too_many = False
        try:
            while True:
                try:
                    for told in self.source.tell(chosen, recalled.images, asked, recalled.history, stop):
                        yield _with_less(told, recalled, talk)
                    if too_many:
                        # Or each later question would be sent as often again, with all images.
                        talk.fits = len(recalled.turns)
                    return
                except ItemError as error:
                    if error.code != "too_long" or not recalled.turns:
                        raise
                if stop.is_set:
                    yield Told(facts="stopped")
                    return
                recalled, too_many = recalled.less(), True
        except ItemError as error:
            yield replace(told, facts="", problem=error.message)
        except AskpixError as error:
            yield replace(told, facts="", problem=str(error))
        except Exception as error:  # noqa: BLE001 - the page is told, whatever it is
            _log.exception("a question could not be answered")
            problem = f"askpix failed on this: {type(error).__name__}: {str(error)[:300]}"
            yield replace(told, facts="", problem=problem)


def _problem(error: AskpixError, filled: Filled) -> tuple[Shown, ...]:
    return tuple(Shown(told=Told(problem=str(error))) for _ in filled.sides)


def _with_less(told: Told, recalled: Recalled, talk: Conversation) -> Told:
    """Returns an answer with how much of what was said and shown the model was told, if that is not all."""
    given, turns = len(recalled.turns), len(talk.turns)
    if told.said is None or given == turns:
        return told
    seen, shown = len(recalled.images), talk.shown(recalled.image.picture)
    images = "" if seen == shown else f" and {seen} of {shown} images"
    return replace(told, facts=f"{told.facts} · told the last {given} of {turns} turns{images}")
