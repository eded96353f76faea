"""How a job that goes on is shown: as a panel on a terminal, now and then a line otherwise, or as JSON."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from askpix.cli.console import printable, stderr, stdout
from askpix.cli.following import Following, Seen
from askpix.cli.panel import line, panel
from askpix.cli.screen import Screen
from askpix.producer.followed import JobProgress
from askpix.producer.serving import Unserved

_LINE_SECONDS = 5.0
"""Between two lines of progress, where there is no terminal."""

_JSON_SECONDS = 1.0
"""Between two objects."""


class _Shown(ABC):
    """Where progress goes."""

    @abstractmethod
    def show(self, seen: Seen) -> None:
        """Shows progress."""

    def say(self, text: str) -> None:
        """Says something to a person."""
        stderr().print(text, soft_wrap=True)

    def serving(self, before: Unserved | None, seen: Seen) -> None:
        """Says that nobody works on the job, or why that is otherwise than before, or that somebody does now."""
        if seen.unserved is not None:
            self.say(printable(seen.unserved.text))
        elif before is not None and seen.progress.serving is not None:
            self.say(f"{printable(before.model)} is served now.")

    def end(self, seen: Seen) -> None:  # noqa: B027 - there is nothing to do where every reading is shown
        """Shows the last progress that there is."""


class _Panel(_Shown):
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, seen: Seen) -> None:
        # The last column stays free: in some terminals the cursor is in the next line after it.
        self._screen.draw(panel(seen, self._screen.size[0] - 1))

    def say(self, text: str) -> None:
        self._screen.say(text)

    def serving(self, before: Unserved | None, seen: Seen) -> None:
        """Says nothing: it is in the panel, as long as it is so."""


class _Lines(_Shown):
    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, seen: Seen) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            stderr().print(line(seen), soft_wrap=True)


class _Objects(_Shown):
    def __init__(self) -> None:
        self._last = float("-inf")
        self._written: JobProgress | None = None

    def show(self, seen: Seen) -> None:
        now = time.monotonic()
        if seen.progress != self._written and now - self._last >= _JSON_SECONDS:
            self._last = now
            self.end(seen)

    def end(self, seen: Seen) -> None:
        if seen.progress != self._written:
            self._written = seen.progress
            stdout().print(json.dumps(seen.to_json()), soft_wrap=True)


class Showing:
    """Shows one job, reading by reading.

    Args:
        unserved: whether to say so when nobody works on it.
    """

    def __init__(self, shown: _Shown, *, unserved: bool) -> None:
        self._shown = shown
        self._unserved = unserved
        self._following = Following()
        self._seen: Seen | None = None

    def say(self, text: str) -> None:
        """Says something to a person, beside the progress."""
        self._shown.say(printable(text))

    def show(self, progress: JobProgress) -> None:
        """Shows a reading of the job."""
        if not self._unserved and progress.serving is not None:
            progress = replace(progress, serving=replace(progress.serving, unserved=None))
        before = None if self._seen is None else self._seen.unserved
        self._seen = self._following.see(progress, time.monotonic())
        if self._seen.unserved != before:
            self._shown.serving(before, self._seen)
        self._shown.show(self._seen)

    def end(self) -> None:
        """Shows the last reading, where not every one is shown."""
        if self._seen is not None:
            self._shown.end(self._seen)


@contextmanager
def showing(*, as_json: bool, unserved: bool) -> Iterator[Showing]:
    """Yields what shows a job; see `Showing`."""
    console = stderr()
    with ExitStack() as stack:
        if as_json:
            shown: _Shown = _Objects()
        # Not what rich takes for one: FORCE_COLOR makes a terminal of a log.
        elif console.file.isatty() and not console.is_dumb_terminal and console.encoding == "utf-8":
            shown = _Panel(stack.enter_context(Screen(console)))
        else:
            shown = _Lines()
        show = Showing(shown, unserved=unserved)
        stack.callback(show.end)
        yield show
