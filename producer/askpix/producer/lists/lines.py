"""Lists as text, line by line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import IO, TextIO

from askpix.producer.columns import Columns
from askpix.producer.errors import InputError
from askpix.producer.items import Item
from askpix.producer.lists.explained import explained
from askpix.producer.lists.form import ReadList

MAX_LINE = 10_000_000
"""Characters that a line of a list, or a row of a table, may have: data URIs are long."""


class Lines:
    """The lines of a text file, none longer than MAX_LINE however long it is in the file.

    Args:
        name: what errors call the file.
    """

    def __init__(self, file: TextIO, name: str) -> None:
        self._read = file.readline
        self.name = name
        self.number = 0
        """Of the line that was read last, from 1."""

        self.taken = 0
        """Characters since the reader last set it to 0: rows of a table may go over several lines."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._read(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken += len(line)
        if self.taken > MAX_LINE:
            raise self.error(f"longer than {MAX_LINE} characters; is a quote or a line break missing?")
        return line

    def error(self, problem: object) -> InputError:
        """Returns an error about the line that was read last."""
        return InputError(f"{self.name}, line {self.number}: {problem}")


def by_lines(read: Callable[[Lines, Columns], Iterator[Item]]) -> ReadList:
    """Returns what reads a list whose lines are read so."""

    def read_list(file: IO[bytes], columns: Columns, name: str) -> Iterator[Item]:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            lines = Lines(text, name)
            with explained(name, lines):
                yield from read(lines, columns)

    return read_list
