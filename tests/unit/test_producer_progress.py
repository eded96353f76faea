"""Counters of a job in a real server: however often something is counted, it counts once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from askpix.producer.progress import JobState, Progress, Reading, Start


def start(**values: Any) -> Start:
    told: dict[str, Any] = {
        "id": "a" * 32,
        "queue": "m",
        "items": 500,
        "total": 50,
        "round": 0,
        "parts": 50,
        "done": bytearray(7),
        "parts_done": 0,
        "ok": 0,
        "failed": 0,
        "window": 10,
    }
    return Start(**{**told, **values})


def begun(progress: Progress, **values: Any) -> Progress:
    progress.begin(start(**values))
    return progress


def read(progress: Progress) -> Reading:
    reading = progress.read()
    assert reading is not None
    return reading


@pytest.fixture
def progress(counters: redis.Redis) -> Progress:
    return Progress(counters, f"/jobs/{uuid.uuid4()}")


def test_a_job_that_nobody_has_begun_has_no_counters(progress: Progress) -> None:
    # When a worker is at a part whose job's counters were lost
    assert progress.claim(0)
    progress.part_live(0, 3)
    progress.part_error(0, "the disk is full")
    progress.part_refused("outside")
    progress.part_done(0, ok=3, failed=0)

    # Then it makes no half of them.
    assert progress.read() is None


def test_parts_in_work_count_as_they_go_and_once_when_done(progress: Progress) -> None:
    begun(progress)
    progress.part_live(0, 3)
    progress.part_live(1, 2)
    progress.part_live(0, 5)
    assert (read(progress).live, read(progress).done) == (7, 7)

    progress.part_done(0, ok=6, failed=2)
    told = read(progress)
    assert (told.ok, told.failed, told.live, told.done, told.parts_done) == (6, 2, 2, 10, 1)

    progress.part_released(1)
    assert read(progress).done == 8


def test_a_part_that_is_done_twice_counts_once(progress: Progress) -> None:
    begun(progress)
    for _ in range(3):
        progress.part_done(7, ok=6, failed=2)

    assert (read(progress).ok, read(progress).failed, read(progress).parts_done) == (6, 2, 1)


def test_a_part_that_was_done_before_the_count_began_does_not_count(progress: Progress) -> None:
    begun(progress, done=bytearray([0b1000_0001, 0, 0, 0, 0, 0, 0]), parts_done=2, ok=20)

    for part in (0, 7):
        progress.part_done(part, ok=10, failed=0)

    assert (read(progress).ok, read(progress).parts_done) == (20, 2)


def test_a_part_of_an_earlier_round_changes_nothing(progress: Progress) -> None:
    begun(progress, round=2, ok=490)

    progress.part_done(3, ok=10, failed=0, round_=1)
    progress.part_live(4, 10, round_=1)

    assert (read(progress).ok, read(progress).live, read(progress).parts_done) == (490, 0, 0)


def test_many_workers_count_at_once_and_nothing_is_lost(progress: Progress) -> None:
    begun(progress)
    with ThreadPoolExecutor(8) as pool:
        for counted in [pool.submit(progress.part_done, part % 50, ok=2, failed=1) for part in range(200)]:
            counted.result()

    told = read(progress)
    assert (told.ok, told.failed, told.finished) == (100, 50, True)


def test_of_many_workers_one_gets_a_part(progress: Progress) -> None:
    begun(progress)
    with ThreadPoolExecutor(8) as pool:
        claims = [pool.submit(progress.claim, 3) for _ in range(32)]
    assert [claim.result() for claim in claims].count(True) == 1

    # And when it gives the part back, or is done with it, another may have it.
    progress.part_released(3)
    assert progress.claim(3)
    progress.part_done(3, ok=1, failed=0)
    assert progress.claim(3)


def test_a_lease_outlives_a_job_that_is_begun_anew(progress: Progress) -> None:
    begun(progress)
    assert progress.claim(3)

    begun(progress)

    assert not progress.claim(3)


def test_an_error_and_a_warning_are_kept_until_the_job_begins_anew(progress: Progress) -> None:
    begun(progress)
    progress.part_error(1, "the disk is full")
    progress.part_refused("outside")
    progress.change(state=JobState.PAUSED.value)
    told = read(progress)
    assert (told.error, told.warning, told.state) == ("the disk is full", "outside", JobState.PAUSED)

    begun(progress)
    told = read(progress)
    assert (told.error, told.warning, told.state) == (None, None, JobState.RUNNING)


def test_jobs_do_not_count_for_each_other(progress: Progress, counters: redis.Redis) -> None:
    begun(progress)
    other = begun(Progress(counters, f"/jobs/{uuid.uuid4()}"))
    progress.part_done(0, ok=1, failed=0)

    assert read(other).ok == 0


def test_all_keys_have_askpixs_prefix_and_end_some_day_after_the_job(progress: Progress, counters: redis.Redis) -> None:
    counters.flushdb()
    begun(progress)
    progress.claim(0)
    progress.part_live(0, 1)
    progress.part_done(1, ok=1, failed=0)
    progress.expire()

    keys = list(counters.scan_iter())

    assert len(keys) == 3
    assert all(key.startswith("askpix:job:") for key in keys)
    assert all(0 < int(str(counters.ttl(key))) <= 7 * 24 * 3600 for key in keys)
