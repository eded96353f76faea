"""Cells of tables that people open in spreadsheets: how they are written, and what comes back of them."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_UNSAFE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters but for tabs and the ends of lines: spreadsheets refuse them, terminals act on them."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of one: in some countries, also as wide as Chinese characters are."""

_BEGINS = "[=+@\uff1d\uff0b\uff0d\uff20-]"
_NUMBER = r"[+-][0-9.]+(?:[eE][+-]?[0-9]+)?(?:[;,\t\r\n]|\Z)"
_LATER = re.compile(f"""([;,\t]"*|[\r\n]"*(?!- ))(?!{_NUMBER})(?={_BEGINS})""")
"""Where a formula would begin if a spreadsheet took another separator than the file's, as some do by the country.

Quotes around the cell do not help: whoever reads quotes by another separator ends them elsewhere.
"""

_GUARDED_LATER = re.compile(f"""([;,\t\r\n]"*)'(?={_BEGINS})""")

_DIGITS = 15
"""That spreadsheets keep of a number."""

_is_plain = re.compile("[A-Za-z0-9_./ ][A-Za-z0-9_./: -]*").fullmatch
"""Most cells are, and take half the time so."""

NOTHING = "[]"
"""The cell of a question whose choices were all judged not to be so: an empty one was not asked."""


def cell(value: Any) -> str:
    """Returns a cell's text, with a quote in front of what a spreadsheet would run as a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if _is_plain(text):
        return text
    text = _LATER.sub(r"\1'", _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text))
    return f"'{text}" if text.startswith(_FORMULAS) and not _is_number(text) else text


def unguarded(text: str) -> str:
    """Returns a cell's text without the quotes that `cell` put in front of what looks like formulas."""
    text = _GUARDED_LATER.sub(r"\1", text)
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULAS) else text


def comparable(text: str) -> str:
    """Returns a text such that the same comes of it and of the cell in which a spreadsheet kept it."""
    lines = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", unguarded(text)).replace("\r\n", "\n").replace("\r", "\n")
    return lines.strip()


def number_of(text: str) -> str | None:
    """Returns the number for which a spreadsheet would take a text, as it writes that; None, where it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return f"{number:.{_DIGITS}g}" if math.isfinite(number) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
