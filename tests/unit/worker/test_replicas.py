"""A replica that dies is started again, until that is of no use."""

from __future__ import annotations

import pytest

from askpix.worker.replicas import Restarts


def test_a_death_now_and_then_is_made_good_for_ever() -> None:
    restarts = Restarts(most=3, within=100)

    # Two in any hundred seconds.
    assert [restarts.after(-9, at) for at in range(0, 1_000, 60)] == [1.0] * 17


def test_dying_as_a_habit_ends_it() -> None:
    restarts = Restarts(most=3, within=100, delay=0.5)

    assert [restarts.after(1, at) for at in (0.0, 50.0, 99.0)] == [0.5, 0.5, None]


@pytest.mark.parametrize("code", [0, 1, -9, -15])
def test_however_it_ended_it_is_started_again(code: int) -> None:
    assert Restarts().after(code, 0.0) == 1.0


def test_what_cannot_be_started_like_that_is_not_tried_twice() -> None:
    assert Restarts().after(2, 0.0) is None


def test_one_that_had_worked_is_no_habit() -> None:
    restarts = Restarts(most=3, within=100)

    assert [restarts.after(-11, at, worked=True) for at in range(10)] == [1.0] * 10
    assert [restarts.after(-11, at) for at in (10.0, 11.0)] == [1.0, 1.0]
    assert restarts.after(-11, 12.0, worked=True) == 1.0
    assert [restarts.after(-11, at) for at in (13.0, 14.0, 15.0)] == [1.0, 1.0, None]
