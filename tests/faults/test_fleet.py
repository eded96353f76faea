"""A small fleet, each of whose workers does little: what 64 of them and 200,000 items show in `make bench-fleet`."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.fleet.fleet import Fleet
from bench.fleet.items import check, items
from bench.fleet.redis_server import Redis, Watched
from bench.fleet.stand_in import MODEL
from bench.fleet.traces import Trace, done
from helpers.processes import wait_until
from helpers.system import finished, need_redis_server

from askpix.producer.client import Client
from askpix.worker.slots import PARTS_AT_ONCE

WORKERS = 6
ITEMS, PART_SIZE, WINDOW = 3_000, 10, 20
PARTS = ITEMS // PART_SIZE

LISTENS_A_SECOND = 2
LOOKS_A_SECOND = 2.5
"""Of all workers together, at the active jobs."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    need_redis_server()
    with Redis(tmp_path) as server:
        yield server


@pytest.fixture
def client(server: Redis) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@pytest.fixture
def fleet(server: Redis, client: Client, tmp_path: Path) -> Iterator[Fleet]:
    """Six workers that live, and take an item in 5 ms."""
    (folder := tmp_path / "fleet").mkdir()
    with Fleet(server.url, str(tmp_path), folder, item_ms=5, environment={"ASKPIX_LEASE_SECONDS": "4"}) as fleet:
        fleet.start(WORKERS)
        fleet.wait_until_live(client)
        yield fleet


def test_a_fleet_finishes_around_a_worker_that_stands_still_and_does_each_item_once(
    server: Redis, client: Client, fleet: Fleet, tmp_path: Path
) -> None:
    # Given: a job of 300 parts, of which 20 may wait at a time.
    before, began = server.look(), time.monotonic()
    with Watched(server, f"askpix:{MODEL}") as watched:
        job = client.submit(
            items(ITEMS), output=str(tmp_path / "job"), model=MODEL, part_size=PART_SIZE, max_queued=WINDOW
        )

        # When: one worker stands still with what it has in hand, and another is killed and replaced.
        def has_begun(number: int) -> bool:
            return len(Trace.read(fleet.members[number].trace, began).begins) > 0

        still, doomed = fleet.members[:2]
        wait_until(lambda: has_begun(0), within=60, what="a part of the first worker")
        still.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: has_begun(1), within=60, what="a part of the second worker")
        fleet.kill([doomed])
        fleet.start(1)
        finished(job, within=120)
    after = server.look()
    fleet.kill([still])

    # Then: nothing waited for the one that stands still, whose parts are done too; and each item has one row.
    assert check(job, ITEMS) == {"rows": ITEMS, "missing": 0, "twice": 0, "in_order": 1, "failed": 0}
    assert done(Trace.read(member.trace, began) for member in fleet.members)["done_again"] == 0
    # And: no more waited than the window lets.
    assert 0 < max(length for _, length in watched.lengths) <= WINDOW
    # And: a message was sent, taken and given up for each part, and again for those that two workers took with them.
    calls = after.since(before)["calls"]
    lost = 2 * (PARTS_AT_ONCE + 1)
    assert PARTS <= calls["lpush"] <= PARTS + lost
    # (One more: the job is put on the list of those that are active.)
    assert PARTS <= calls["zadd"] - 1 <= calls["lpush"]
    # It waits, it is in work, it is done; and a look now and then at those that may be lost.
    assert 3 * PARTS <= calls["setbit"] <= 4 * PARTS


def test_what_a_fleet_at_rest_asks_of_redis_grows_with_its_workers_and_no_faster(server: Redis, fleet: Fleet) -> None:
    # Given: workers that have nothing to do.
    before = server.look()

    # When: all have announced themselves twice.
    def announced() -> bool:
        return server.look().calls["hset"] >= before.calls["hset"] + 2 * WORKERS

    wait_until(announced, within=60, what="two announcements of each")
    told = server.look().since(before)

    # Then: these are the most that there can be, however quick or slow the machine is.
    calls, seconds = told["calls"], told["seconds"] + 1
    assert calls["brpop"] <= WORKERS * LISTENS_A_SECOND * seconds
    assert calls["zrange"] <= LOOKS_A_SECOND * seconds + calls["hset"]
    # Nobody reads what all the others announce.
    assert calls.get("hvals", 0) <= 1
    assert len(fleet.living()) == WORKERS
