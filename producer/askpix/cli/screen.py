"""Lines that are drawn over and over at the same place of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

# Terminals that know it show all that is written in between at once; others leave it out.
_TOGETHER, _SHOW = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_END_OF_LINE, _BELOW = "\x1b[K", "\x1b[J"


class Screen:
    """The last lines of a terminal, from `with` to its end; then they are gone.

    rich's Live erases before it draws, and does not know that lines which were drawn wider than the terminal now is
    take several of its rows, of which it leaves some behind. Here each line is written over the one before, at once,
    and as many rows are gone up as the old lines take by now.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn: list[int] = []
        """How wide each line is that is there."""

    def __enter__(self) -> Screen:
        self._write(_HIDE_CURSOR)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(f"{self._home()}{_BELOW}{_SHOW_CURSOR}")
        self._drawn = []

    def draw(self, lines: Sequence[Text]) -> None:
        """Draws lines in place of those before; what is as wide or high as the terminal, or more, is cut off."""
        width, height = self._console.size
        kept = list(lines)[: height - 1]
        written = []
        for line in kept:
            line.truncate(width - 1)
            written.append(f"{self._styled(line)}{_END_OF_LINE}\n")
        home = self._home()
        self._drawn = [line.cell_len for line in kept]
        self._write(f"{_TOGETHER}{home}{''.join(written)}{_BELOW}{_SHOW}")

    def say(self, text: str) -> None:
        """Writes a text above the lines, to stay; the lines are there again when they are next drawn."""
        self._write(f"{self._home()}{_BELOW}")
        self._drawn = []
        self._console.print(text, soft_wrap=True)

    def _home(self) -> str:
        """Returns what takes the cursor to the first of the lines."""
        width, height = self._console.size
        rows = sum(max(1, -(-line // width)) for line in self._drawn)
        # Further up is what has been scrolled away.
        return f"\r\x1b[{min(rows, height - 1)}A" if rows else "\r"

    def _styled(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get()

    def _write(self, text: str) -> None:
        file = self._console.file
        file.write(text)
        file.flush()
