"""What a form of lists is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from askpix.producer.columns import Columns
from askpix.producer.items import Item

ReadList = Callable[[IO[bytes], Columns, str], Iterator[Item]]
"""Yields the items of a file, which is unpacked; the last is what errors call it. Raises InputError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListForm:
    """A form of lists. Each is in a module of its own, as `FORM`, which `forms.py` lists."""

    files: Mapping[str, ReadList]
    """By the ending of a file's name, in small letters."""

    columns: bool = True
    """Whether it has columns, which a user may name."""

    packed: bool = False
    """Whether .gz may follow."""
