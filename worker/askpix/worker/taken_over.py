"""Items that fail as another has, of the same image and asked the same."""

from __future__ import annotations

import json
from dataclasses import replace

from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.worker.error_codes import Code
from askpix.worker.item import ItemWork

_OWN = frozenset(
    (
        Code.IMAGE_DAMAGED,
        Code.IMAGE_TOO_LARGE,
        Code.IMAGE_TOO_NARROW,
        Code.NOT_AN_IMAGE,
        Code.CANNOT_ANSWER,
        Code.CANNOT_CAPTION,
        Code.CANNOT_MATCH,
        Code.CHOICES_ALIKE,
        Code.EMPTY_QUESTION,
        Code.MISSING_VALUE,
        Code.NEEDS_CHAT,
        Code.NO_SUCH_QUESTION,
        Code.NO_SYSTEM_TEXT,
        Code.SCHEMA_REFUSED,
        Code.SETTINGS_CONTRADICT,
        Code.TOO_LONG,
    )
)
"""Codes of errors that follow from the image's bytes and what is asked of it, and from nothing else."""


class TakenOver:
    """An item in work that says what another of the same image said, which was asked the same.

    Args:
        first: the other, which has ended.
        attempts: how many times the item was tried, this one included.
    """

    def __init__(self, item: Item, first: ItemWork, *, attempts: int) -> None:
        self._item = item
        self._first = first
        self._attempts = attempts

    def row(self) -> Row:
        """Returns the item's row."""
        item, row = self._item, self._first.row()
        return replace(
            row,
            id=item.id or item.image,
            group=item.group,
            image=item.image,
            answers=tuple(replace(answer, cached=True) for answer in row.answers),
            attempts=self._attempts,
            extra=json.dumps(item.extra, ensure_ascii=False) if item.extra else None,
        )

    def cancel(self) -> None:
        """There is nothing that works on it."""


def fails_alike(item: ItemWork) -> bool:
    """Returns whether an item that has ended failed, and whoever asks the same of the same bytes would fail as well."""
    problems = item.problems()
    return bool(problems) and all(problem.code in _OWN and not problem.retryable for problem in problems)
