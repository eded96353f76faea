"""Tables that spreadsheets open, as they are written."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
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


def free_name(name: str, taken: set[str], *, before: str, endings: Sequence[str] = ("",)) -> str:
    """Returns a name that no column has, whether or not capitals are told apart, and takes it.

    Args:
        taken: names that columns have, without capitals.
        before: comes before a name that is taken, as often as needed.
        endings: of the columns that are called by this name.
    """
    while not taken.isdisjoint(columns := {f"{name}{ending}".casefold() for ending in endings}):
        name = f"{before}{name}"
    taken |= columns
    return name
