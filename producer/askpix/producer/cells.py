"""Cells of tables that people open in spreadsheets: how they are written, and what comes back of them."""

from __future__ import annotations

import json
import re
from typing import Any

_UNSAFE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but for tabs and the ends of lines: spreadsheets refuse them, terminals act on them."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of one."""

NOTHING = "[]"
"""The cell of a question whose choices were all judged not to be so: an empty one was not asked."""


def cell(value: Any) -> str:
    """Returns a cell's text. One that a spreadsheet would run as a formula is given a quote in front."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"'{text}" if text.startswith(_FORMULAS) and not _is_number(text) else text


def unguarded(text: str) -> str:
    """Returns a cell's text without the quote that `cell` put in front."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text


def comparable(text: str) -> str:
    """Returns a text such that the same comes of it and of the cell in which a spreadsheet kept it."""
    lines = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", unguarded(text)).replace("\r\n", "\n").replace("\r", "\n")
    return lines.strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
