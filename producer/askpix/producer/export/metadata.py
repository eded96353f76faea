"""Lines of metadata, in an order in which Hugging Face's reader finds the type of each column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

from askpix.producer.export.rows import json_line

_READ = 10 << 20
"""Bytes from whose lines the reader takes the types of columns. What comes later has to be of these."""

_COPIED = 1 << 20
"""Bytes that are held."""

_is_time = re.compile(r"\d{4}-\d\d-\d\d").match
"""Texts that begin so are times to the reader, where a column has no others."""


class _Line(NamedTuple):
    start: int
    end: int


class Metadata:
    """A file with a line of JSON for each image.

    A column of which only later lines have a value, some list a term, or some text is no time, would be of another type
    to the reader. So, of a file that is longer than what it looks at, the lines that show the types come first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._shown: dict[str, tuple[int, _Line]] = {}
        """By column, how much of its type the best line for it shows, and that line."""

    def write(self, file: IO[bytes], values: Mapping[str, Any]) -> None:
        """Writes a line."""
        data = json_line(values)
        line = _Line(self._size, self._size + len(data))
        for name, value in values.items():
            shown = _shown(value)
            if shown > self._shown.get(name, (0,))[0]:
                self._shown[name] = (shown, line)
        file.write(data)
        self._size = line.end

    def arrange(self) -> None:
        """Puts the lines that show types first, where that makes a difference; once all are written.

        Raises:
            OSError: there is no room.
        """
        first = sorted({line for _, line in self._shown.values()})
        if self._size <= _READ or all(line.end <= _READ for line in first):
            return
        whole = self._path.with_name(f"{self._path.name}.whole")
        self._path.rename(whole)
        with whole.open("rb") as file, self._path.open("wb") as arranged:
            for line in (*first, *_between(first, self._size)):
                file.seek(line.start)
                _copy(file, arranged, line.end - line.start)
        whole.unlink()


def _shown(value: Any) -> int:
    """Returns how much a value shows of its column's type: nothing, something, or all."""
    if value is None or value == []:
        return 0
    return 1 if isinstance(value, str) and _is_time(value) else 2


def _between(lines: list[_Line], size: int) -> Iterator[_Line]:
    """Yields what is before, between and after lines."""
    for before, after in pairwise((_Line(0, 0), *lines, _Line(size, size))):
        yield _Line(before.end, after.start)


def _copy(file: IO[bytes], into: IO[bytes], size: int) -> None:
    while size > 0 and (data := file.read(min(size, _COPIED))):
        into.write(data)
        size -= len(data)
