"""Counters of a job in a real server: however often something is counted, it counts once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from askpix.producer.lease import Lease
from askpix.producer.live import Glimpse, PartLive
from askpix.producer.progress import JobState, Progress, Reading, Start
from askpix.producer.registry import Registry


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


def lease_on(progress: Progress, part: int, round_: int = 0) -> Lease:
    lease = progress.claim(part, round_)
    assert lease is not None
    return lease


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
    counters.hdel(progress.key, "live:0", "codes:0")

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


def test_of_many_workers_one_gets_a_part(progress: Progress) -> None:
    begun(progress)
    with ThreadPoolExecutor(8) as pool:
        claims = [pool.submit(progress.claim, 3) for _ in range(32)]
    (lease,) = filter(None, (claim.result() for claim in claims))

    # And when it gives the part back, or is done with it, another may have it.
    lease.release()
    lease_on(progress, 3).done(ok=1, codes={}, how=PartLive(done=1))
    assert progress.claim(3)


def test_a_worker_that_lost_its_lease_takes_none_from_another(progress: Progress) -> None:
    # Given: a part whose lease was lost with the broker's data, and which another worker has by now.
    begun(progress)
    late = lease_on(progress, 3)
    progress._redis.delete(*progress.keys)
    begun(progress)
    lease_on(progress, 3)

    # When the first one still works, and ends
    late.live(PartLive(done=1))
    late.done(ok=1, codes={}, how=PartLive(done=1))

    # Then
    assert progress.claim(3) is None


def test_a_worker_gets_its_lease_back_when_the_brokers_data_were_lost(progress: Progress) -> None:
    begun(progress)
    lease = lease_on(progress, 3)
    progress._redis.delete(*progress.keys)
    begun(progress)

    lease.live(PartLive(done=1))

    assert progress.claim(3) is None


@pytest.mark.parametrize(
    ("end", "deaths"),
    [
        (None, 1),
        (lambda lease: lease.release(died=True), 1),
        (lambda lease: lease.release(to_queue=True, died=True), 1),
        (lambda lease: lease.release(to_queue=True), 0),
        (lambda lease: lease.fail("the disk is full"), 0),
        (lambda lease: lease.hold("paused"), 0),
        (lambda lease: lease.done(ok=1, codes={}, how=PartLive(done=1)), 0),
    ],
    ids=["no end", "died", "died and queued", "given back", "failed", "held", "done"],
)
def test_workers_that_began_a_part_and_did_not_end_it_are_counted(
    end: Callable[[Lease], None] | None, deaths: int, progress: Progress
) -> None:
    begun(progress)
    for before in (0, deaths, 2 * deaths):
        lease = lease_on(progress, 7)
        assert lease.deaths == before
        if end is not None:
            end(lease)
        # As when it has run out.
        progress.forget_leases()
    assert lease_on(progress, 8).deaths == 0

    # A job that begins anew, begins anew.
    begun(progress)
    assert lease_on(progress, 7).deaths == 0


def test_a_lease_outlives_a_job_that_is_begun_anew(progress: Progress) -> None:
    begun(progress)
    lease_on(progress, 3)

    begun(progress)

    assert progress.claim(3) is None


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
    assert counters.ttl(progress.key) == -1


def test_failures_are_counted_by_code_as_they_come_and_once(progress: Progress) -> None:
    begun(progress, failed=3, codes={"http_404": 2, "timeout": 1})
    first, second = lease_on(progress, 0), lease_on(progress, 1)
    first.live(PartLive(done=4, new=4, codes={"http_404": 1}))
    second.live(PartLive(done=3, new=3, codes={"bad_url": 2}))
    assert read(progress).codes == {"http_404": 3, "timeout": 1, "bad_url": 2}

    first.done(ok=6, codes={"http_404": 2}, how=PartLive(done=8, new=8))
    second.release()
    assert read(progress).codes == {"http_404": 4, "timeout": 1}

    # A part that is done twice counts once.
    lease_on(progress, 0).done(ok=6, codes={"http_404": 2}, how=PartLive(done=8))
    told = read(progress)
    assert (told.codes, told.failed) == ({"http_404": 4, "timeout": 1}, 5)


def test_what_a_dead_worker_told_of_a_part_goes_with_it(progress: Progress) -> None:
    begun(progress)
    lease_on(progress, 0).live(PartLive(done=5, codes={"timeout": 5}))
    progress.forget_leases()

    again = lease_on(progress, 0)
    assert (read(progress).live, read(progress).codes) == (0, {})
    again.live(PartLive(done=2))
    assert (read(progress).live, read(progress).codes) == (2, {})


def test_a_worker_that_comes_too_late_changes_no_counts(progress: Progress) -> None:
    # Given: one that was frozen until another had its part.
    begun(progress)
    late = lease_on(progress, 0)
    late.live(PartLive(done=4, codes={"timeout": 4}))
    progress.forget_leases()
    second = lease_on(progress, 0)
    second.live(PartLive(done=6, codes={"bad_url": 1}))

    # When it tells, and gives up, while the other is at it
    late.live(PartLive(done=9, codes={"timeout": 9}))
    late.release()
    assert (read(progress).live, read(progress).codes) == (6, {"bad_url": 1})

    # And when it tells after the other's end
    second.done(ok=9, codes={"bad_url": 1}, how=PartLive(done=10))
    late.live(PartLive(done=9, codes={"timeout": 9}))

    # Then
    told = read(progress)
    assert (told.live, told.ok, told.codes, told.done) == (0, 9, {"bad_url": 1}, 10)
    assert progress._redis.hlen(progress.leases) == 0


def test_what_could_not_be_told_is_credited_when_it_can_be(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(progress)
    lease = progress.claim(0, worker="one")
    assert lease is not None
    with monkeypatch.context() as patch:
        patch.setattr(lease, "_redis", redis.Redis(port=1, socket_connect_timeout=1))
        with pytest.raises(redis.ConnectionError):
            lease.live(PartLive(done=8, new=8))

    lease.live(PartLive(done=9, new=9))

    assert read(progress).workers == {"one": 9}


def test_of_very_many_workers_the_later_ones_count_together(progress: Progress) -> None:
    begun(progress)
    for number in range(600):
        lease = progress.claim(number % 50, worker=f"askpix-{number}@host")
        assert lease is not None
        lease.live(PartLive(done=1, new=1))
        lease.release()

    workers = read(progress).workers
    assert len(workers) < 510
    assert sum(workers.values()) == 600
    assert workers["others"] > 90


@pytest.mark.parametrize("field", ["by:x", "code:x", "live:3", "items"])
def test_counters_that_nobody_of_askpix_wrote_are_as_good_as_lost(field: str, progress: Progress) -> None:
    begun(progress)
    progress._redis.hset(progress.key, field, "1.5x")

    assert progress.read() is None


def test_each_worker_is_credited_with_what_it_made(progress: Progress) -> None:
    begun(progress)
    one, two = progress.claim(0, worker="one"), progress.claim(1, worker="two")
    assert one is not None
    assert two is not None
    one.live(PartLive(done=3, new=3))
    one.live(PartLive(done=5, new=5))
    two.live(PartLive(done=1, new=1))
    assert read(progress).workers == {"one": 5, "two": 1}

    # When one gives its part back, and the other carries on with what was kept
    one.release()
    again = progress.claim(0, worker="two")
    assert again is not None
    again.live(PartLive(done=5, new=0))
    again.done(ok=8, codes={}, how=PartLive(done=8, new=3))

    # Then
    assert read(progress).workers == {"one": 5, "two": 4}


def test_the_newest_answers_are_there_for_whoever_looks(progress: Progress) -> None:
    begun(progress)
    lease = lease_on(progress, 0)
    glimpses = (Glimpse(id="2.jpg", text="a \x1b[2J mug\n", confidence=0.5), Glimpse(id="1.jpg", text="none", code="x"))
    lease.live(PartLive(done=2, latest=glimpses))
    lease.live(PartLive(done=3))
    assert read(progress).latest == glimpses

    lease.done(ok=4, codes={}, how=PartLive(done=4, latest=(Glimpse(id="4.jpg", text="a hat"),)))
    assert [glimpse.id for glimpse in read(progress).latest] == ["4.jpg"]

    begun(progress)
    assert read(progress).latest == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '[{"id": 3}]', '{"a": "b"}', '["\\ud800"]', '[{"id": "a", "text": "b", "confidence": NaN}]'],
)
def test_what_another_version_told_of_a_part_is_left_out(text: str, progress: Progress) -> None:
    begun(progress)
    progress._redis.hset(progress.key, mapping={"latest": text, "codes:7": text})

    told = read(progress)

    assert (told.latest, dict(told.codes)) == ((), {})


def test_a_look_costs_one_command_and_no_more_with_more_parts(progress: Progress, counters: redis.Redis) -> None:
    begun(progress)
    for part in range(40):
        lease_on(progress, part).done(ok=9, codes={"timeout": 1}, how=PartLive(done=10))
    assert len(counters.hgetall(progress.key)) <= 20
