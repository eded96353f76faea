"""Lists with a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from askpix.producer.columns import Columns, Layout
from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.lists.form import ListForm
from askpix.producer.lists.lines import Lines, by_lines

_MAX_LAYOUTS = 256
"""Of JSON objects with different keys; then the oldest are found again."""


def read_objects(lines: Lines, columns: Columns) -> Iterator[Item]:
    """Yields the items of a list with a JSON object a line; empty lines are skipped."""
    layouts = Layouts(columns)
    for line in lines:
        lines.taken = 0
        if line.isspace():
            continue
        value = json_object(line, lines)
        _check_text(line, value, lines)
        try:
            item = layouts.of(value).item(list(value.values()))
        except InputError as error:
            raise lines.error(error) from None
        yield item


class Layouts:
    """The layouts of JSON objects, which repeat their keys."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._known: dict[tuple[str, ...], Layout] = {}

    def of(self, value: dict[str, Any]) -> Layout:
        """Returns the layout of an object; raises InputError where it has no image."""
        keys = tuple(value)
        layout = self._known.get(keys)
        if layout is None:
            if len(self._known) == _MAX_LAYOUTS:
                self._known.clear()
            layout = self._known[keys] = Layout(keys, self._columns)
        return layout


_decode = json.JSONDecoder(parse_constant=lambda _: None).decode
# NaN and infinity, which Python writes and JSON lacks, are null.


def json_object(line: str, lines: Lines) -> dict[str, Any]:
    """Returns the object of a line; raises InputError where it is none."""
    try:
        value = _decode(line)
    except (ValueError, RecursionError) as error:
        raise lines.error(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise lines.error('a JSON object is needed, such as {"image": ...}')
    return value


def _check_text(line: str, value: dict[str, Any], lines: Lines) -> None:
    if "\\ud" in line or "\\uD" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise lines.error("half of a surrogate pair is no text") from None


FORM = ListForm(files=dict.fromkeys((".jsonl", ".ndjson"), by_lines(read_objects)), packed=True)
