"""What answers are called: each is a column of a table, beside others, so no two may be called alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from askpix.producer.errors import InputError
from askpix.producer.questions import Question
from askpix.producer.shown import shown_value

ITEM_COLUMNS = ("id", "group", "image", "status")
GROUP_COLUMNS = ("group", "images", "images_failed", "id", "image", "status")
"""What a table of images, or of groups of them, has before the answers."""

ERROR_COLUMNS = ("error_code", "error_message")
"""What it has after them."""

RESULT_COLUMNS = (*GROUP_COLUMNS, *ERROR_COLUMNS)
"""Columns that a table has beside those of answers."""

ENDINGS = ("_confidence", "_corrected")
"""Of the columns that a table may have beside that of an answer."""


def clashes(titles: Sequence[str | None], places: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yields the index of each title that cannot be a column, and why not, with what to do instead.

    Capitals do not count, as they do not to every program that reads tables.

    Args:
        titles: None, where it is not known.
        places: where each is, for a person.
    """
    first: dict[str, int] = {}
    for index, title in enumerate(titles):
        if title is None:
            continue
        column = title.casefold()
        if column in RESULT_COLUMNS:
            yield index, f"results have a column {column} of their own: call it otherwise, such as product_{column}"
        if column in first:
            where = places[first[column]]
            yield index, f"{shown_value(title)} is there twice, first in {where}: leave one out, or rename it"
        first.setdefault(column, index)
    for column, index in first.items():
        for ending in ENDINGS:
            other = first.get(column.removesuffix(ending)) if column.endswith(ending) else None
            if other is not None:
                pair = f"{shown_value(titles[index])} is also a column of {shown_value(titles[other])}"
                yield index, f"{pair} ({places[other]}) in tables: rename one of them"


def check_names(questions: Sequence[Question]) -> None:
    """Raises InputError where what questions are called cannot all be columns of one table."""
    places = [f"question {number}" for number in range(1, len(questions) + 1)]
    for index, problem in clashes([question.title for question in questions], places):
        raise InputError(f"the name of the question {shown_value(questions[index].text)}: {problem}")
