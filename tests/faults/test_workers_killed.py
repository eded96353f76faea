"""Workers that are killed at any moment: each item has one row all the same, soon."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_whole
from helpers.lasting import lasts
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client

RECOVERY_SECONDS = 30
"""In which a part of a worker that was killed is with another."""

SHORT = {"ASKPIX_LEASE_SECONDS": "4", "ASKPIX_KEEP_SECONDS": "0.5"}

KILLS = int(os.environ.get("ASKPIX_TESTS_KILLS", "6"))


def test_a_part_of_a_killed_worker_is_with_another_within_30_seconds_and_what_was_kept_is_not_done_again(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a worker that has half of a part, and has kept it.
    doomed = start_worker(env={"ASKPIX_KEEP_SECONDS": "0.5"})
    quick, held = ([f"/{folder.name}-{kind}-{number}" for number in range(3)] for kind in ("quick", "held"))
    urls = pages.put_many([*quick, *held], jpeg())
    pages.hold(*held)
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=6)
    wait_until(lambda: len(job.folder.read_partial(0)) == 3, within=20, what="three rows that are kept")

    # When
    doomed.kill()
    killed = time.monotonic()
    other = start_worker()
    pages.came.clear()
    wait_until(lambda: set(held) <= set(pages.came), within=RECOVERY_SECONDS + 5, what="the part with another worker")
    seconds = time.monotonic() - killed
    pages.let_go()

    # Then
    finished(job)
    assert_whole(job, broker, urls)
    assert sorted(pages.came) == sorted(held)
    assert seconds < RECOVERY_SECONDS
    assert not (folder / "partial").exists() or not list((folder / "partial").iterdir())
    other.close()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.timeout(600 + 60 * KILLS)
def test_workers_that_are_killed_at_random_moments_lose_and_double_nothing(
    workers: int, client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given
    seed = int(os.environ.get("ASKPIX_TESTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}: repeat with ASKPIX_TESTS_SEED={seed}")
    chance = random.Random(seed)
    names = [f"/{folder.name}-{number}" for number in range(150 * KILLS)]
    urls = pages.put_many(names, jpeg())

    def start() -> WorkerProcess:
        return start_worker(env=SHORT)

    live = [start() for _ in range(workers)]
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=8)

    # When
    for _ in range(KILLS):
        lasts(chance.uniform(0.1, 1.5))
        live.pop(chance.randrange(len(live))).kill()
        live.append(start())

    # Then
    finished(job, within=300)
    assert_whole(job, broker, urls, next(iter(job.results())).answers[0].text)
    for worker in live:
        worker.close()
