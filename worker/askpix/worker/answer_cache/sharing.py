"""What several items of a job, or of several, have in common: the same image, and the same asked of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askpix.producer.braces import CHOICE
from askpix.producer.items import Item, Options
from askpix.producer.placeholders import columns_in, values_of
from askpix.producer.questions import Question
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.flights import Flights
from askpix.worker.answer_cache.keys import engine_mark, image_key
from askpix.worker.engine.base import EngineInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """By what the parts of a worker share answers."""

    cache: AnswerCache
    flights: Flights


class Alike:
    """Tells which items of a part ask the same.

    Args:
        questions: asked of items that have none of their own.
    """

    def __init__(self, questions: Sequence[Question] | None, options: Options) -> None:
        self._questions = questions or ()
        self._options = options
        self._columns = _columns(self._questions, options)
        self._own = _digest(self._questions, options, {})

    def grouped(
        self, info: EngineInfo, sha256: str | None, items: Mapping[int, Item], places: Sequence[int]
    ) -> dict[bytes, list[int]]:
        """Returns those places of one image together that are asked the same, by what only they are asked."""
        assert sha256 is not None
        image = image_key(engine_mark(info), sha256)
        groups: dict[bytes, list[int]] = {}
        for place in places:
            groups.setdefault(image + self._asked(items[place]), []).append(place)
        return groups

    def _asked(self, item: Item) -> bytes:
        if item.questions is None and not self._columns:
            return self._own
        questions = item.questions or self._questions
        values = values_of(item)
        named = {name: values.get(name) for name in _columns(questions, self._options)}
        return _digest(questions, self._options, named)


def _columns(questions: Sequence[Question], options: Options) -> frozenset[str]:
    """Returns the columns that texts are filled from; where a question is about each choice, `{choice}` is none."""
    plain = [question for question in questions if not question.multiple]
    several = [question for question in questions if question.multiple]
    return columns_in(plain, options) | (columns_in(several, Options()) - {CHOICE})


def _digest(questions: Sequence[Question], options: Options, values: Mapping[str, Any]) -> bytes:
    asked = [[question.model_dump(mode="json") for question in questions], options.model_dump(mode="json"), values]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).digest()
