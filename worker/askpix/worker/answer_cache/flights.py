"""Images that several have in work at the same time: one asks, the others wait for what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

Resume = Callable[[], None]


class Flight:
    """One asking of an image, until all that it asked is answered, or cannot be."""

    def __init__(self, flights: Flights, key: bytes) -> None:
        self._flights = flights
        self.key = key
        self.open = 1
        """Who asks, and each item of which answers are to come."""
        self.waiting: list[Resume] = []

    def enter(self) -> None:
        """Says that one more has answers to come."""
        self._flights.count(self, 1)

    def leave(self) -> None:
        """Says that one has none to come any more."""
        self._flights.count(self, -1)


class Flights:
    """What is asked now of which images. Used from many threads.

    Args:
        resume: has somebody else call functions, of those who have waited. They are not called here, where the engine's
            thread may be.
    """

    def __init__(self, resume: Callable[[list[Resume]], None]) -> None:
        self._resume = resume
        self._lock = threading.Lock()
        self._flights: dict[bytes, Flight] = {}

    def board(self, key: bytes, resume: Resume) -> Flight | None:
        """Returns a new flight, which ends when all have left it; or None where another has the same in work, and
        `resume` will be called when that has ended.

        Args:
            key: of an image and all that is asked of it.
        """
        with self._lock:
            found = self._flights.get(key)
            if found is not None:
                found.waiting.append(resume)
                return None
            flight = self._flights[key] = Flight(self, key)
            return flight

    def board_all(
        self, groups: Mapping[bytes, Sequence[int]], resume: Callable[[Sequence[int]], Resume], flying: ExitStack
    ) -> dict[int, Flight | None]:
        """Returns of each group the first, with its flight; the others wait for it, or for who has the same in work.

        Args:
            groups: numbers of what asks the same, by what is asked.
            resume: returns what goes on with some of them.
            flying: is what leaves the flights at its end.
        """
        first: dict[int, Flight | None] = {}
        for key, alike in groups.items():
            flight = self.board(key, resume(alike))
            if flight is None:
                continue
            flying.callback(flight.leave)
            first[alike[0]] = flight
            if others := alike[1:]:
                self.board(key, resume(others))
        return first

    def count(self, flight: Flight, change: int) -> None:
        """Notes how many have answers to come."""
        with self._lock:
            flight.open += change
            if flight.open:
                return
            del self._flights[flight.key]
        if flight.waiting:
            self._resume(flight.waiting)
