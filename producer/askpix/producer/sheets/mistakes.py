"""Mistakes in a sheet, each with its line and with what to write instead; all of them are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from askpix.producer.errors import SheetError
from askpix.producer.sheets.nodes import Node
from askpix.producer.words import nearest

_TOLD = 10
"""Mistakes that are told of a sheet: who has more begins with these."""

_LOOKED_AT = 1_000
"""Words among which that is looked for which somebody has meant."""

_LOOKED_FOR = 50
"""Times that this is done for a sheet: only the first mistakes are told."""


class Mistakes:
    """Gathers what is wrong with a sheet.

    Args:
        path: what messages call the sheet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[tuple[int, str], None] = {}
        self._looked_for = 0

    def __len__(self) -> int:
        return len(self._found)

    def tell(self, where: Node | int, text: str) -> None:
        """Keeps a mistake of a line, or of what stands there, once."""
        self._found[(where if isinstance(where, int) else where.line, text)] = None

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """Returns the known word that somebody has most likely meant, if any; of many words, that is asked in vain."""
        self._looked_for += 1
        return nearest(word, islice(known, _LOOKED_AT)) if self._looked_for <= _LOOKED_FOR else None

    def end(self) -> None:
        """Raises SheetError with the first mistakes, in the order of their lines, if there are any."""
        if not self._found:
            return
        lines = [f"{self._path}:{line}: {text}" for line, text in sorted(self._found, key=lambda found: found[0])]
        if len(lines) > _TOLD:
            lines[_TOLD:] = [f"{self._path} has {len(lines)} mistakes; these are the first {_TOLD}"]
        raise SheetError(tuple(lines))
