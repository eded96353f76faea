"""Cells of tables that spreadsheets open."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

MAX_COLUMNS = 16_384
"""As many as spreadsheets have."""

_UNSAFE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but for tabs and the ends of lines: spreadsheets refuse them, terminals act on them."""


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


def cell(value: Any) -> str:
    """Returns a cell's text. One that a spreadsheet would run as a formula is given a quote in front."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(text) else text


def rounded(number: float | None) -> str | None:
    """Returns a number with four places; None where it is none."""
    return None if number is None or not math.isfinite(number) else f"{number:.4f}"


def free(name: str, taken: set[str], before: str = "input_") -> str:
    """Returns a name that is not taken: itself, or with that before it, as often as needed."""
    while name in taken:
        name = f"{before}{name}"
    return name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
