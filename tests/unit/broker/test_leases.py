"""Leases on parts in a real server: one worker has each, and a part that nobody ends is known."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers.progress import begun, lease_on, progress

from askpix.producer.lease import Lease
from askpix.producer.live import PartLive
from askpix.producer.progress import Progress

__all__ = ["progress"]


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
    progress._redis.delete(*progress.keys.all)
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
    progress._redis.delete(*progress.keys.all)
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
