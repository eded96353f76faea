"""Tables that spreadsheets open, as they are written."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
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


def free(name: str, taken: set[str], before: str = "input_") -> str:
    """Returns a name that is not taken: itself, or with that before it, as often as needed."""
    while name in taken:
        name = f"{before}{name}"
    return name
