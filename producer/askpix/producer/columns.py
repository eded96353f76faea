"""The columns of a list: which of them hold what askpix knows, and the item that a row makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.questions import Question
from askpix.producer.storage import shortened
from askpix.producer.text_limits import MAX_TEXT

IMAGE_COLUMNS = (
    "image", "url", "path", "file", "filename", "image_url", "image_path",
    "image_uri", "uri", "key", "s3_key", "img", "file_name",
)  # fmt: skip
"""What the column of images may be called, in capitals or not. Of several, the first of these is taken."""

_SHOWN = 20
"""Names of columns that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The names of a list's columns, where the user gave them; None is found by its usual name."""

    image: str | None = None
    id: str | None = None
    group: str | None = None
    question: str | None = None
    """A text, an object with text, name, choices and match, or a list of them, also as JSON."""

    match: str | None = None
    """A text of which it is asked how well it fits the image."""

    def __bool__(self) -> bool:
        return any(name is not None for name in astuple(self))


class Layout:
    """Where the rows of a table hold what askpix knows: found once for all rows of the same columns.

    Raises:
        InputError: there is no column of images, or not one that the user named.
    """

    def __init__(self, names: Sequence[str], columns: Columns) -> None:
        self._names = names
        self._places: dict[str, int] = {}
        for place, name in enumerate(names):
            self._places.setdefault(name.strip().lower(), place)
        image = self._place(columns.image, *IMAGE_COLUMNS)
        if image is None:
            raise InputError(
                f"no column of images: name one of them {' or '.join(IMAGE_COLUMNS[:3])}, "
                f"or say which it is (--image-column); there are {self._listed()}"
            )
        self._image = image
        self._id = self._place(columns.id, "id")
        self._group = self._place(columns.group, "group")
        self._questions = self._place(columns.question, "questions")
        self._question = self._place(None, "question") if columns.question is None else None
        self._match = self._place(columns.match)
        self.asking = [place for place in (self._questions, self._question, self._match) if place is not None]
        """The places of questions."""
        used = {self._image, self._id, self._group, *self.asking}
        self._extra = [(name, place) for place, name in enumerate(names) if place not in used]

    @property
    def image(self) -> str:
        """The name of the column of images."""
        return self._names[self._image]

    def item(self, values: Sequence[Any]) -> Item:
        """Returns the item of a row, given the values of all columns.

        Raises:
            InputError: there is no image, or a value is of the wrong kind.
        """
        image, identity, group = self._known(values)
        return Item(
            image=image,
            id=identity,
            group=group,
            questions=self._asked(values) if self.asking else None,
            extra={name: values[place] for name, place in self._extra},
        )

    def bare_item(self, values: Sequence[Any]) -> Item:
        """Returns the item of a row without its questions and other columns.

        Raises:
            InputError: there is no image, or a value is of the wrong kind.
        """
        image, identity, group = self._known(values)
        return Item(image=image, id=identity, group=group)

    def _known(self, values: Sequence[Any]) -> tuple[str, str | None, str | None]:
        image = values[self._image]
        if not isinstance(image, str) or not (image := image.strip()):
            raise InputError("there is no image in this row")
        return (
            image,
            None if self._id is None else _text(values[self._id], "id"),
            None if self._group is None else _text(values[self._group], "group"),
        )

    def _asked(self, values: Sequence[Any]) -> tuple[Question, ...] | None:
        asked = self._questioned(values)
        if self._match is None or (text := _text(values[self._match], "the text to match")) is None:
            return asked
        return (*(asked or ()), Question.parse({"text": text, "match": True}))

    def _questioned(self, values: Sequence[Any]) -> tuple[Question, ...] | None:
        asked = None if self._questions is None else _questions(values[self._questions])
        if asked is not None or self._question is None or values[self._question] is None:
            return asked
        return _question(values[self._question])

    def _place(self, given: str | None, *usual: str) -> int | None:
        if given is None:
            return next((self._places[name] for name in usual if name in self._places), None)
        if given in self._names:
            return self._names.index(given)
        place = self._places.get(given.strip().lower())
        if place is None:
            raise InputError(f"no column {shortened(given)!r}: there are {self._listed()}")
        return place

    def _listed(self) -> str:
        names = [shortened(repr(name)) for name in self._names]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return (", ".join(names[:_SHOWN]) + more) if names else "none"


def _text(value: Any, name: str) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} must be a text or a whole number, not {shortened(repr(value))}")
    return str(value)


def _question(value: Any) -> tuple[Question, ...]:
    return _known_question(value) if isinstance(value, str) and len(value) <= MAX_TEXT else (Question.parse(value),)


def _questions(value: Any) -> tuple[Question, ...] | None:
    if isinstance(value, str):
        return _known_questions(value) if len(value) <= MAX_TEXT else _parsed_questions(value)
    if value is None or value == []:
        return None
    return tuple(map(Question.parse, value if isinstance(value, list) else [value]))


def _parsed_questions(text: str) -> tuple[Question, ...] | None:
    if not text:
        return None
    if not text.lstrip().startswith("["):
        return (Question.parse(text),)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"questions is not JSON: {error}") from None
    return tuple(map(Question.parse, value)) or None


# Lists ask the same of many images, and making a question takes several microseconds.
_known_question = lru_cache(maxsize=512)(lambda text: (Question.parse(text),))
_known_questions = lru_cache(maxsize=512)(_parsed_questions)
