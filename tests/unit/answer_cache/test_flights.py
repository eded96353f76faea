"""Of several who ask the same of an image at the same time, one asks."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from askpix.worker.answer_cache.flights import Flights, Resume


@pytest.fixture
def resumed() -> list[str]:
    """Who has gone on, in order."""
    return []


@pytest.fixture
def flights(resumed: list[str]) -> Flights:
    def go_on(waited: list[Resume]) -> None:
        resumed.append("together")
        for resume in waited:
            resume()

    return Flights(go_on)


def test_who_comes_while_one_asks_goes_on_when_all_is_answered(flights: Flights, resumed: list[str]) -> None:
    # Given: one who asks, for two items, and two who come then
    flight = flights.board(b"a", lambda: resumed.append("nobody"))
    assert flight is not None
    for name in ("one", "two"):
        assert flights.board(b"a", lambda name=name: resumed.append(name)) is None  # type: ignore[misc]
    flight.enter()
    flight.enter()

    # When: what asked has ended, and an item's answers are there
    flight.leave()
    flight.leave()
    assert resumed == []

    # And then the other's
    flight.leave()
    assert resumed == ["together", "one", "two"]
    # Who comes now asks.
    assert flights.board(b"a", lambda: resumed.append("late")) is not None


def test_what_else_is_asked_waits_for_nobody(flights: Flights) -> None:
    assert flights.board(b"a", lambda: None) is not None
    assert flights.board(b"b", lambda: None) is not None


def test_of_those_who_are_alike_the_first_asks_and_the_others_wait_for_it(flights: Flights, resumed: list[str]) -> None:
    # Given: a group that another is at already
    other = flights.board(b"under way", lambda: None)
    assert other is not None

    # When
    with ExitStack() as flying:
        groups = {b"x": [0, 2, 5], b"y": [1], b"under way": [3, 4]}
        first = flights.board_all(groups, lambda places: lambda: resumed.append(str(places)), flying)
        assert list(first) == [0, 1]
        assert resumed == []

    # Then: nothing was asked after all, and all go on.
    assert resumed == ["together", "[2, 5]"]
    other.leave()
    assert resumed == ["together", "[2, 5]", "together", "[3, 4]"]
