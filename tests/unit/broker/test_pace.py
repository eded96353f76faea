"""How fast, and how long still: from looks at a count."""

from __future__ import annotations

import pytest

from askpix.producer.pace import Estimate, Pace


def paced(*looks: tuple[float, int]) -> Pace:
    pace = Pace()
    for now, done in looks:
        pace.look(now, done)
    return pace


def test_nothing_is_said_before_anything_was_done() -> None:
    assert paced().estimate(10) == Estimate(rate=0.0, seconds=None)
    assert paced((0, 0), (5, 0), (60, 0)).estimate(10) == Estimate(rate=0.0, seconds=None)


def test_what_passes_before_the_first_item_is_no_part_of_the_speed() -> None:
    # A model is loaded for a minute; then 20 items in 10 s.
    pace = paced((0, 0), (60, 0), (65, 10), (70, 20))

    assert pace.estimate(100) == Estimate(rate=2.0, seconds=50.0)


def test_what_was_done_before_the_first_look_is_no_part_of_it() -> None:
    assert paced((0, 5_000), (10, 5_050), (20, 5_100)).rate() == 5.0


def test_items_that_come_in_bursts_are_not_taken_for_fast_ones() -> None:
    # Given: 64 items every 8 seconds, looked at twice a second.
    pace, told = Pace(), []
    for look in range(200):
        now = look / 2
        pace.look(now, 64 * int(now // 8))
        told.append(pace.rate())

    assert max(told) <= 8.01
    assert told[-1] == pytest.approx(8.0, rel=0.15)


def test_only_the_last_five_minutes_count() -> None:
    slow = [(second, second) for second in range(600)]
    fast = [(600 + second, 600 + 10 * second) for second in range(301)]

    assert paced(*slow, *fast).rate() == pytest.approx(10.0)


def test_a_speed_that_does_not_change_has_no_spread() -> None:
    estimate = paced(*((second, 4 * second) for second in range(60))).estimate(400)

    assert (estimate.rate, estimate.seconds) == (4.0, 100.0)
    assert estimate.soonest == pytest.approx(100.0)
    assert estimate.latest == pytest.approx(100.0)


def test_the_spread_is_that_of_slower_and_faster_stretches() -> None:
    # Given: 12 stretches of 10 seconds, half of them at 1 item a second, and half at 3.
    looks, done = [(-1.0, -1), (0.0, 0)], 0
    for stretch in range(12):
        done += 10 if stretch % 2 else 30
        looks.append((10.0 * (stretch + 1), done))

    estimate = paced(*looks).estimate(600)

    assert (estimate.rate, estimate.seconds) == (2.0, 300.0)
    assert (estimate.soonest, estimate.latest) == (200.0, 600.0)


def test_a_job_that_stands_still_tells_no_time() -> None:
    moving = [(second, second) for second in range(100)]
    standing = [(100 + second, 99) for second in range(400)]

    assert paced(*moving, *standing).estimate(10).seconds is None


def test_items_that_are_done_again_begin_a_new_reckoning() -> None:
    assert paced((0, 0), (10, 100), (11, 50), (21, 70), (31, 90)).rate() == 2.0


def test_many_looks_take_little_memory() -> None:
    pace = paced(*((look / 10, look) for look in range(100_000)))

    assert len(pace._looks) < 400
    assert pace.rate() == pytest.approx(10.0, rel=0.01)


def test_nothing_left_takes_no_time() -> None:
    assert paced((0, 0), (10, 20)).estimate(0).seconds == 0.0


def test_where_nothing_came_for_whole_stretches_no_latest_time_is_told() -> None:
    looks = [(-1.0, -1), (0.0, 0), *((10.0 * (number + 1), 40 * (number // 2)) for number in range(12))]

    estimate = paced(*looks).estimate(100)

    assert estimate.soonest is not None
    assert estimate.latest is None
