"""Tables that spreadsheets open, as they are written."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

MAX_COLUMNS = 16_384
"""As many as spreadsheets have."""


@contextmanager
def table_written(file: IO[bytes], *, separator: str = ",", marked: bool = False) -> Iterator[Any]:
    """Yields what writes the rows of a table into a file, as UTF-8.

    Args:
        marked: begin with the mark by which Excel knows UTF-8.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig" if marked else "utf-8", errors="replace", newline="")
    yield csv.writer(text, delimiter=separator)
    text.flush()
    text.detach()


def rounded(number: float | None) -> str | None:
    """Returns a number with four places; None where it is none."""
    return None if number is None or not math.isfinite(number) else f"{number:.4f}"


class ColumnNames:
    """Names that the columns of a table have: no two are the same, whether or not capitals are told apart.

    Args:
        taken: those that are there.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken}
        self._numbers: dict[str, int] = {}
        """The last one that was given, by the name without capitals that it follows."""

    def free(self, name: str, *, before: str, endings: Sequence[str] = ("",)) -> str:
        """Returns a name that no column has, and takes it.

        Args:
            before: comes before a name that is taken; where that is taken too, a number comes after it.
            endings: of the columns that are called by this name.
        """
        for tried in (name, f"{before}{name}"):
            if self._take(tried, endings):
                return tried
        key = tried.casefold()
        number = self._numbers.get(key, 1) + 1
        while not self._take(f"{tried}_{number}", endings):
            number += 1
        self._numbers[key] = number
        return f"{tried}_{number}"

    def _take(self, name: str, endings: Sequence[str]) -> bool:
        columns = {f"{name}{ending}".casefold() for ending in endings}
        is_free = self._taken.isdisjoint(columns)
        if is_free:
            self._taken |= columns
        return is_free
