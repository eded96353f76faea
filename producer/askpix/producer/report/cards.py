"""What of an item a page shows in its grid, and finds by its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from askpix.producer.report.embedding import as_text, clipped, reference
from askpix.producer.results import extra_values
from askpix.producer.rows import Row

SEARCHED = 1_000
"""Characters of a text that can be found. All of it is in the details."""

_ID = 200
_ANSWERS = 12
_SHOWN = 240
"""Characters of an answer that a card holds."""

_TOTAL = 4_000
"""Characters of an item that can be found, beside what its card holds."""


class Cards:
    """A block of items, column by column.

    Args:
        number_of_name: of an answer's name, its place among all names.
    """

    def __init__(self, number_of_name: Callable[[str], int]) -> None:
        self._number_of_name = number_of_name
        self.ids: list[str] = []
        self.answers: list[list[Any]] = []
        self.more: list[str] = []
        self.pictures: list[str] = []

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, row: Row, picture: str) -> None:
        """Adds an item.

        Args:
            picture: the key of its thumbnail; or "!" and the code that says why there is none; or nothing.
        """
        self.ids.append(reference(row.id, _ID))
        answers: list[Any] = []
        for answer in row.answers[:_ANSWERS]:
            answers += (self._number_of_name(answer.name), clipped(answer.text, _SHOWN))
        self.answers.append(answers)
        self.more.append(clipped("\n".join(filter(None, _more(row))), _TOTAL))
        self.pictures.append(picture)

    def told(self) -> dict[str, Any]:
        """Returns them as JSON values."""
        return {"ids": self.ids, "answers": self.answers, "more": self.more, "pictures": self.pictures}


def _more(row: Row) -> list[str | None]:
    """Returns what an item is found by beside what its card holds."""
    extra = extra_values(row.extra)
    return [
        row.group,
        reference(row.image, SEARCHED) if row.image != row.id else None,
        row.error_code,
        (row.error_message or "")[:SEARCHED],
        # From the beginning, so that no word is cut in two.
        *(answer.text[:SEARCHED] for answer in row.answers[:_ANSWERS] if len(answer.text) > _SHOWN),
        *(answer.text[:SEARCHED] for answer in row.answers[_ANSWERS:]),
        *(other.text[:SEARCHED] for answer in row.answers for other in answer.alternatives or ()),
        *(as_text(value)[:SEARCHED] for value in extra.values()),
    ]
