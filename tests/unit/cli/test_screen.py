"""Lines that are drawn over and over at one place, as a terminal shows them."""

from __future__ import annotations

import io
import os
import signal

import pyte
import pytest
from rich.console import Console
from rich.text import Text

from askpix.cli.screen import Screen


class Watched:
    """A terminal that shows what a console writes."""

    def __init__(self, columns: int = 60, lines: int = 12) -> None:
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=True, width=columns, height=lines, markup=False, highlight=False
        )
        self.size = (columns, lines)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)

    def written(self) -> str:
        """Returns what was written since it was last asked."""
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        # As a terminal does with what it is given, unless it is told not to.
        self._stream.feed(text.replace("\n", "\r\n"))
        return text

    def shown(self) -> list[str]:
        self.written()
        return [line.rstrip() for line in self._screen.display if line.strip()]


def lines(*texts: str) -> list[Text]:
    return [Text(text) for text in texts]


def test_lines_are_drawn_in_place_of_those_before() -> None:
    watched = Watched()
    watched.console.print("before")
    with Screen(watched.console, watched.size) as screen:
        screen.draw(lines("one", "two", "a third one"))
        assert watched.shown() == ["before", "one", "two", "a third one"]
        screen.draw(lines("four", "5"))
        assert watched.shown() == ["before", "four", "5"]
        screen.draw(lines("one", "two", "three", "four"))
        assert watched.shown() == ["before", "one", "two", "three", "four"]

    assert watched.shown() == ["before"]


def test_nothing_is_erased_before_it_is_drawn_over() -> None:
    watched = Watched()
    with Screen(watched.console, watched.size) as screen:
        screen.draw(lines("one", "two"))
        watched.written()
        screen.draw(lines("three", "four"))
        text = watched.written()

    # All is written at once; only the ends of lines, and what is below them, are erased.
    assert text.startswith("\x1b[?2026h")
    assert text.endswith("\x1b[J\x1b[?2026l")
    assert text.count("\x1b[J") == 1
    assert "\x1b[2J" not in text
    assert "\x1b[2K" not in text


def test_what_is_said_stays_above_the_lines() -> None:
    watched = Watched()
    with Screen(watched.console, watched.size) as screen:
        screen.draw(lines("one", "two"))
        screen.say("No live worker serves it yet.")
        screen.draw(lines("three"))
        assert watched.shown() == ["No live worker serves it yet.", "three"]

    assert watched.shown() == ["No live worker serves it yet."]


def test_what_is_wider_or_higher_than_the_terminal_is_cut_off() -> None:
    watched = Watched(columns=60, lines=6)
    with Screen(watched.console, watched.size) as screen:
        for _ in range(3):
            screen.draw(lines(*(f"{number} {'x' * 200}" for number in range(20))))
        shown = watched.shown()

    assert [line[0] for line in shown] == ["0", "1", "2", "3", "4"]
    assert max(map(len, shown)) == 59


@pytest.mark.parametrize(("columns", "rows"), [(100, 3), (80, 3), (79, 3), (60, 5), (40, 5), (30, 7)])
def test_a_terminal_that_gets_narrower_has_the_old_lines_in_more_rows(columns: int, rows: int) -> None:
    # Given: lines of 79, 79 and 5 columns.
    watched = Watched(columns=80, lines=24)
    with Screen(watched.console, watched.size) as screen:
        screen.draw(lines("x" * 90, "y" * 90, "short"))
        watched.written()

        # When
        screen.fixed = (columns, 24)
        screen.draw(lines("new"))

        # Then: it goes up as many rows as they take by now, wrapped.
        assert f"\r\x1b[{rows}A" in watched.written()


def test_after_a_stop_the_lines_are_drawn_below_what_the_shell_wrote() -> None:
    watched = Watched()
    with Screen(watched.console, watched.size) as screen:
        screen.draw(lines("one", "two"))
        watched.console.print("$ fg")
        os.kill(os.getpid(), signal.SIGCONT)
        screen.draw(lines("three"))
        assert watched.shown() == ["one", "two", "$ fg", "three"]


def test_a_terminal_that_does_not_know_its_size_is_taken_for_a_usual_one() -> None:
    watched = Watched(columns=80, lines=24)
    with Screen(watched.console, (0, 0)) as screen:
        for _ in range(2):
            screen.draw(lines("one", "x" * 100))

    assert screen.size == (80, 24)
