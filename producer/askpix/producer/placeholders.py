"""`{column}` in a question, a prompt or a system text: what the list has there for an image."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from askpix.producer.braces import CHOICE, PLACEHOLDER, with_choice
from askpix.producer.errors import InputError
from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.producer.storage import shortened


class MissingValueError(Exception):
    """An image has nothing in a column that its question needs.

    Args:
        column: its name.
    """

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def values_of(item: Item) -> Mapping[str, Any]:
    """Returns what placeholders can stand for: the columns of an item, by their names."""
    return {"image": item.image, "id": item.id, "group": item.group, **item.extra}


def filled(text: str, values: Mapping[str, Any]) -> str:
    """Returns a text with its placeholders replaced.

    Raises:
        MissingValueError: a column is not there, or holds nothing.
    """
    if "{" not in text and "}" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return found[0][0]
        held = values.get(name)
        written = held if isinstance(held, str) else None if held is None else str(held)
        if not written or not written.strip():
            raise MissingValueError(name)
        return written

    return PLACEHOLDER.sub(value, text)


def filled_question(question: Question, values: Mapping[str, Any]) -> Question:
    """Returns a question about one image; its answer is called by the text as it was given. See `filled`."""
    text = filled(question.text, values)
    return question if text == question.text else question.model_copy(update={"text": text, "name": question.title})


def texts_of(question: Question) -> tuple[str, ...]:
    """Returns the texts that a question asks a model: one, or where it is about each of its choices, one for each."""
    if not question.multiple:
        return (question.text,)
    return tuple(with_choice(question.text, choice) for choice in question.choices or ())


def filled_options(options: Options, values: Mapping[str, Any]) -> Options:
    """Returns the options for one image. See `filled`."""
    texts = {"prompt": options.prompt, "system": options.system}
    changed = {name: new for name, text in texts.items() if text is not None and (new := filled(text, values)) != text}
    return options.model_copy(update=changed) if changed else options


def names_columns(questions: Iterable[Question], options: Options) -> bool:
    """Returns whether any text may name a column."""
    return any("{" in text for text in (*(one.text for one in questions), options.prompt or "", options.system or ""))


def columns_in(questions: Iterable[Question], options: Options) -> frozenset[str]:
    """Returns the columns that texts name."""
    texts = (*(question.text for question in questions), options.prompt or "", options.system or "")
    found = (one[1] for text in texts for one in PLACEHOLDER.finditer(text))
    return frozenset(name for name in found if name is not None)


def check_columns(questions: Iterable[Question], options: Options, columns: Collection[str]) -> None:
    """Raises InputError where a text names a column that a list does not have.

    Args:
        columns: those that it has, of its first item.
    """
    known = {*columns}
    asked = [(question.text, {*known, CHOICE} if question.multiple else known) for question in questions]
    for text, names in (*asked, (options.prompt or "", known), (options.system or "", known)):
        for found in PLACEHOLDER.finditer(text):
            name = found[1]
            if name is not None and name not in names:
                there = ", ".join(shortened(column) for column in list(columns)[:20])
                raise InputError(
                    f"{shortened(text)!r} names the column {shortened(name)!r}, and there is none: there are {there} "
                    "(write {{ and }} for braces that are meant as they are)"
                )
