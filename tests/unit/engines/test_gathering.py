"""How long a batch that is not full waits for more, and what that saves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.engine_calls import SECONDS, growth, handle, opened, product, request
from helpers.processes import wait_until

from askpix.worker.blip import gathering
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.blip.gathering import Gathering
from askpix.worker.local import demo_model

_STEP, _COMING = gathering._GATHER_SECONDS, gathering._COMING_SECONDS


class _Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(gathering, "time", clock)
    return clock


def _come(gathers: Gathering, clock: _Clock, apart: float, count: int = 3) -> None:
    for _ in range(count):
        clock.now += apart
        gathers.came()


def test_what_is_alone_waits_for_nothing_between_its_steps(clock: _Clock) -> None:
    gathers = Gathering()
    gathers.came()
    gathers.begin()
    assert gathers.seconds == 0


def test_what_comes_now_and_then_waits_for_nothing(clock: _Clock) -> None:
    gathers = Gathering()
    _come(gathers, clock, 1.1 * _COMING)
    gathers.begin()
    assert gathers.seconds == 0


def test_after_a_step_the_next_one_waits_while_requests_keep_coming(clock: _Clock) -> None:
    # Given
    gathers = Gathering()
    _come(gathers, clock, 0.5 * _COMING)

    # When
    gathers.begin()
    clock.now += _STEP / 4

    # Then: until its time is over
    assert gathers.seconds == pytest.approx(_STEP * 3 / 4)
    clock.now += _STEP
    assert gathers.seconds == 0


def test_nothing_is_waited_for_where_no_request_has_come_for_a_while(clock: _Clock) -> None:
    # Given
    gathers = Gathering()
    _come(gathers, clock, 0.5 * _COMING)

    # When
    clock.now += _COMING * 1.1
    gathers.begin()

    # Then
    assert gathers.seconds == 0


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


def test_requests_that_come_one_by_one_are_decoded_together(
    engine: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: an engine that waits for as long as even a busy machine takes to ask ten times
    monkeypatch.setattr(gathering, "_GATHER_SECONDS", 0.3)
    monkeypatch.setattr(gathering, "_COMING_SECONDS", 60.0)
    images = [handle(engine, product(number % 5)) for number in range(10)]
    engine.submit(request(images[0])).result(SECONDS)
    before = engine.counters()

    # When: each is asked for after the other was taken
    tickets = []
    for image in images:
        tickets.append(engine.submit(request(image, max_new_tokens=6)))
        wait_until(engine._inbox.empty, within=SECONDS, what="a request that was taken")
    for ticket in tickets:
        ticket.result(SECONDS)

    # Then
    grown = growth(engine, before)
    assert grown["caption_rows"] / grown["caption_steps"] >= 5
