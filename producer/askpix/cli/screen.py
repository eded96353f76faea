"""Lines that are drawn over and over at the same place of a terminal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from rich.console import Console
from rich.text import Text

# Terminals that know it show all that is written in between at once; others leave it out.
_TOGETHER, _SHOW = "\x1b[?2026h", "\x1b[?2026l"
_COLUMNS, _LINES = 80, 24
_END_OF_LINE, _BELOW = "\x1b[K", "\x1b[J"


class Screen:
    """The last lines of a terminal, from `with` to its end; then they are gone.

    rich's Live erases before it draws, and does not know that lines which were drawn wider than the terminal now is
    take several of its rows, of which it leaves some behind. Here each line is written over the one before, at once,
    and as many rows are gone up as the old lines take by now. (Terminals that cut lines off when they get narrower,
    instead of wrapping them, lose as many of the lines above.)

    Args:
        console: of the terminal.
        size: its columns and lines, where they are not to be asked for.
    """

    def __init__(self, console: Console, size: tuple[int, int] | None = None) -> None:
        self._console = console
        self.fixed = size
        self._drawn: list[int] = []
        """How wide each line is that is there."""

    def __enter__(self) -> Screen:
        self._before = signal.getsignal(signal.SIGCONT)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCONT, self._carry_on)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCONT, self._before)
        self._write(f"{self._home()}{_BELOW}")
        self._drawn = []

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines. Of the terminal itself: COLUMNS in the environment does not change with it."""
        columns, lines = self.fixed or os.get_terminal_size(self._console.file.fileno())
        # Some terminals do not know: they say 0.
        return columns or _COLUMNS, lines or _LINES

    def draw(self, lines: Sequence[Text]) -> None:
        """Draws lines in place of those before; what is as wide or high as the terminal, or more, is cut off."""
        width, height = self.size
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
        width, height = self.size
        rows = sum(max(1, -(-line // width)) for line in self._drawn)
        # Further up is what has been scrolled away.
        return f"\r\x1b[{min(rows, height - 1)}A" if rows else "\r"

    def _carry_on(self, _: int, __: FrameType | None) -> None:
        # After Ctrl-Z the shell has written below the lines.
        self._drawn = []

    def _styled(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(line, end="", soft_wrap=True)
        return capture.get()

    def _write(self, text: str) -> None:
        file = self._console.file
        file.write(text)
        file.flush()
