"""A terminal without a window: runs a command, and knows what it shows."""

from __future__ import annotations

import copy
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

_CHUNK = 1 << 16


class Terminal:
    """A command in a terminal, from `with` to its end.

    Args:
        command: the program and its arguments.
        columns, lines: how large the terminal is.
        env: the command's whole environment.
    """

    def __init__(self, command: Sequence[str], *, columns: int, lines: int, cwd: Path, env: Mapping[str, str]) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition(threading.RLock())
        self.written = b""
        """All that the command has written so far."""
        self._ours, theirs = pty.openpty()
        self._set_size(columns, lines)
        own = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**own, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        os.close(self._ours)

    def shown(self) -> list[str]:
        """Returns the lines that are shown, without what is empty at their ends."""
        with self._changed:
            lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait_for(self, condition: Callable[[list[str]], bool], *, within: float = 30) -> list[str]:
        """Waits until the lines that are shown fulfil a condition; returns them.

        Raises:
            TimeoutError: it did not come to that.
        """
        with self._changed:
            self._wait(condition, within)
            return self.shown()

    def seen(self, condition: Callable[[list[str]], bool], *, within: float = 30) -> pyte.Screen:
        """Does the same, and returns a copy of what is shown, with its colours."""
        with self._changed:
            self._wait(condition, within)
            return copy.deepcopy(self._screen)

    def resize(self, columns: int, lines: int) -> None:
        """Makes the terminal another size; the command is told so."""
        with self._changed:
            self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def end(self, within: float = 60) -> int:
        """Waits for the command's end; returns its exit code."""
        code = self.process.wait(within)
        self._reader.join(5)
        return code

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _wait(self, condition: Callable[[list[str]], bool], within: float) -> None:
        ends = time.monotonic() + within
        while not condition(lines := self.shown()):
            if not self._changed.wait(max(0.0, ends - time.monotonic())) and time.monotonic() >= ends:
                raise TimeoutError("\n".join(["not shown:", *lines]))

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, _CHUNK)
            except OSError:  # all its ends are closed
                data = b""
            if not data:
                return
            with self._changed:
                self.written += data
                self._stream.feed(data)
                self._changed.notify_all()
