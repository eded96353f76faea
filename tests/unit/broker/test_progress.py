"""Counters of a job in a real server: however often something is counted, it counts once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from helpers.progress import begun, lease_on, progress, read

from askpix.producer.lease import Lease
from askpix.producer.live import PartLive
from askpix.producer.progress import JobState, Progress
from askpix.producer.registry import Registry

__all__ = ["progress"]


ENDS: dict[str, Callable[[Lease], None]] = {
    "fail": lambda lease: lease.fail("the disk is full"),
    "hold": lambda lease: lease.hold("paused"),
    "done": lambda lease: lease.done(ok=3, codes={}, how=PartLive(done=3)),
    "release": lambda lease: lease.release(to_queue=True),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_job_that_nobody_has_begun_has_no_counters(end: str, progress: Progress) -> None:
    # When a worker is at a part of a job whose counters were lost
    lease = lease_on(progress, 0)
    lease.live(PartLive(done=3))
    ENDS[end](lease)
    progress.refuse(0, 0, "outside")
    progress.change_state(JobState.PAUSED)

    # Then it makes no half of them.
    assert progress.read() is None


def test_a_worker_that_tells_how_far_it_is_hears_whether_the_job_goes_on(progress: Progress) -> None:
    # Given
    lost = lease_on(progress, 0).live(PartLive(done=1))
    progress.forget_leases()
    begun(progress)
    lease = lease_on(progress, 0)

    # When
    running = lease.live(PartLive(done=1))
    progress.change_state(JobState.PAUSED)
    paused = lease.live(PartLive(done=2))

    # Then
    assert (lost, running, paused) == (None, JobState.RUNNING, JobState.PAUSED)


def test_parts_in_work_count_as_they_go_and_once_when_done(progress: Progress) -> None:
    begun(progress)
    first, second = lease_on(progress, 0), lease_on(progress, 1)
    first.live(PartLive(done=3))
    second.live(PartLive(done=2))
    first.live(PartLive(done=5))
    assert (read(progress).live, read(progress).done) == (7, 7)

    first.done(ok=6, codes={"timeout": 2}, how=PartLive(done=8))
    told = read(progress)
    assert (told.ok, told.failed, told.live, told.done, told.parts_done) == (6, 2, 2, 10, 1)

    second.release()
    assert read(progress).done == 8


def test_answers_from_the_cache_count_once_also_where_a_worker_of_before_ends_what_a_newer_one_began(
    progress: Progress, counters: redis.Redis
) -> None:
    # Given
    begun(progress)
    lease_on(progress, 0).live(PartLive(done=3, cached=2))
    lease_on(progress, 1).live(PartLive(done=4, cached=4))
    assert read(progress).cached == 6

    # When: what such a worker takes away of a part that it has ended
    counters.hdel(progress.keys.counters, "live:0", "codes:0")

    # Then
    assert read(progress).cached == 4


def test_a_part_that_is_done_twice_counts_once(progress: Progress) -> None:
    begun(progress)
    for _ in range(3):
        lease_on(progress, 7).done(ok=6, codes={"timeout": 2}, how=PartLive(done=8))

    assert (read(progress).ok, read(progress).failed, read(progress).parts_done) == (6, 2, 1)


def test_a_part_that_was_done_before_the_count_began_does_not_count(progress: Progress) -> None:
    begun(progress, done=bytearray([0b1000_0001, 0, 0, 0, 0, 0, 0]), parts_done=2, ok=20)

    for part in (0, 7):
        lease_on(progress, part).done(ok=10, codes={}, how=PartLive(done=10))

    assert (read(progress).ok, read(progress).parts_done) == (20, 2)


def test_a_part_of_an_earlier_round_changes_nothing(progress: Progress) -> None:
    begun(progress, round=2, ok=490)

    lease_on(progress, 3, round_=1).done(ok=10, codes={}, how=PartLive(done=10))
    lease_on(progress, 4, round_=1).live(PartLive(done=10))
    progress.refuse(5, 1, "outside")

    told = read(progress)
    assert (told.ok, told.live, told.parts_done, told.warning) == (490, 0, 0, None)


def test_what_went_wrong_before_a_job_began_anew_does_not_stop_it(progress: Progress) -> None:
    begun(progress)
    failing, holding = lease_on(progress, 3), lease_on(progress, 4)

    begun(progress)
    failing.fail("the disk is full")
    holding.hold("paused")

    assert (read(progress).error, read(progress).state) == (None, JobState.RUNNING)


def test_many_workers_count_at_once_and_nothing_is_lost(progress: Progress) -> None:
    def work(part: int) -> None:
        if lease := progress.claim(part):
            lease.done(ok=2, codes={"timeout": 1}, how=PartLive(done=3))

    begun(progress)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, (part % 50 for part in range(200))))

    told = read(progress)
    assert (told.ok, told.failed, told.finished) == (100, 50, True)


def test_an_error_and_a_warning_are_kept_until_the_job_begins_anew(progress: Progress) -> None:
    begun(progress)
    lease_on(progress, 1).fail("the disk is full")
    progress.refuse(2, 0, "outside")
    progress.change_state(JobState.PAUSED)
    told = read(progress)
    assert (told.error, told.warning, told.state) == ("the disk is full", "outside", JobState.PAUSED)

    begun(progress)
    told = read(progress)
    assert (told.error, told.warning, told.state) == (None, None, JobState.RUNNING)


def test_jobs_do_not_count_for_each_other(progress: Progress, counters: redis.Redis) -> None:
    begun(progress)
    other = begun(Progress(counters, f"/jobs/{uuid.uuid4()}"))
    lease_on(progress, 0).done(ok=1, codes={}, how=PartLive(done=1))

    assert read(other).ok == 0


def test_all_keys_have_askpixs_prefix_and_end_some_day_after_the_job(counters: redis.Redis) -> None:
    # Given: a job with a part in work, one that waits, and one that is done.
    counters.flushdb()
    registry, uri = Registry(counters), f"/jobs/{uuid.uuid4()}"
    progress = begun(Progress(counters, uri), parts=1)
    registry.add_job(uri)
    lease_on(progress, 0).live(PartLive(done=1))
    lease_on(progress, 2).release(to_queue=True)
    assert not registry.end_job(uri, read(progress).epoch), "it has not ended"
    lease_on(progress, 1).done(ok=1, codes={}, how=PartLive(done=1))

    # When
    assert not registry.end_job(uri, "of an earlier beginning")
    assert registry.end_job(uri, read(progress).epoch)

    # Then
    assert registry.job_uris() == []
    keys = list(counters.scan_iter())
    assert len(keys) == 5
    assert all(key.startswith("askpix:job:") for key in keys)
    assert all(0 < int(str(counters.ttl(key))) <= 7 * 24 * 3600 for key in keys)

    # And a job that begins anew is kept again.
    begun(progress)
    assert counters.ttl(progress.keys.counters) == -1


@pytest.mark.parametrize("field", ["by:x", "code:x", "live:3", "items"])
def test_counters_that_nobody_of_askpix_wrote_are_as_good_as_lost(field: str, progress: Progress) -> None:
    begun(progress)
    progress._redis.hset(progress.keys.counters, field, "1.5x")

    assert progress.read() is None


def test_a_look_costs_one_command_and_no_more_with_more_parts(progress: Progress, counters: redis.Redis) -> None:
    begun(progress)
    for part in range(40):
        lease_on(progress, part).done(ok=9, codes={"timeout": 1}, how=PartLive(done=10))
    assert len(counters.hgetall(progress.keys.counters)) <= 20
