"""Values as text that a page or a script can hold, whatever is in them."""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from array import array
from typing import Any

from askpix.producer.errors import InputError
from askpix.producer.values import json_text

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What could end a script or begin a comment in HTML, what ends a line in scripts, and what UTF-8 cannot write."""


def embedded(value: Any) -> str:
    """Returns a value as JSON that stays what it is within `<script>`, strict and writable as UTF-8."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", _encode(value))


def called(name: str, value: Any) -> str:
    """Returns a script that hands a value to the page.

    As a text of JSON rather than as an object of JavaScript, in which `__proto__` is no name like others; it is read
    sooner, too.
    """
    text = embedded(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"askpixData('{name}','{text}')\n"


def column(values: array[int]) -> str:
    """Returns numbers as base64 of their bytes, the lowest first."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def clipped(text: str, most: int) -> str:
    """Returns a text, or its beginning and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def as_text(value: Any) -> str:
    """Returns a JSON value as a text: itself, or its JSON."""
    if isinstance(value, str):
        return value
    try:
        return json_text({"": value})[5:-1]
    except InputError:
        return "(lists in lists, too deep to be shown)"


def finite(number: float | None, digits: int = 4) -> float | None:
    """Returns a number with so many digits, None where it is none."""
    return None if number is None or not math.isfinite(number) else round(number, digits)


def reference(text: str, most: int) -> str:
    """Returns an image reference as a page shows it: of a data URI, what it is and how much."""
    if text[:5].lower() != "data:" or len(text) <= 100:
        return clipped(text, most)
    head = text[: max(text.find(","), 0)][:60]
    return f"{head or 'data:'},\N{HORIZONTAL ELLIPSIS} ({len(text):,} characters)"
