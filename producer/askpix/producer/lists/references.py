"""Lists with an image a line."""

from __future__ import annotations

from collections.abc import Iterator

from askpix.producer.columns import Columns
from askpix.producer.items import Item
from askpix.producer.lists.form import ListForm
from askpix.producer.lists.lines import Lines, by_lines


def read_references(lines: Lines, _: Columns) -> Iterator[Item]:
    """Yields the items of a list with an image a line; empty lines are skipped."""
    for line in lines:
        lines.taken = 0
        if reference := line.strip():
            yield Item(image=reference)


FORM = ListForm(files={".txt": by_lines(read_references)}, columns=False, packed=True)
