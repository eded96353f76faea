"""A storage that hangs holds up the jobs that are on it, and no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_whole
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.s3_server import BrokenS3, environment
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.progress import Progress, Start
from askpix.producer.redis_keys import JobKeys
from askpix.producer.registry import Registry

pytestmark = pytest.mark.timeout(200)

HUNG = "s3://hung/job"
NOTIFY = "shop.done@shop-events"


@pytest.fixture
def hung() -> Iterator[BrokenS3]:
    """A store that answers nobody as long as the test lasts."""
    over = threading.Event()

    def keeps_still(request: BaseHTTPRequestHandler) -> None:
        over.wait(150)
        request.close_connection = True

    server = BrokenS3(keeps_still)
    yield server
    over.set()
    server.close()


def test_a_job_whose_store_hangs_keeps_no_other_from_its_end(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, hung: BrokenS3
) -> None:
    # Given: the one worker there is has a job to end that its folder is needed for, and does not get it.
    worker = start_worker("--storage-root", "s3://hung", "--allow-notify", NOTIFY, env=environment(hung.url))
    ended = Start(
        id="0" * 32,
        queue=MODEL,
        items=1,
        total=1,
        round=0,
        parts=1,
        done=bytearray(b"\xff"),
        parts_done=1,
        ok=1,
        failed=0,
        codes={},
        window=10,
        notify=NOTIFY,
    )
    Progress(broker.client, HUNG).begin(ended)
    Registry(broker.client).add_job(HUNG)
    wait_until(lambda: bool(hung.asked), within=30, what="somebody asking the store")

    # When
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(4)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=2, notify=NOTIFY)
    finished(job)
    wait_until(lambda: str(folder) not in str(client.jobs()), within=20, what="the end of the other job")

    # Then: it was ended and told, while the first still waits; and the worker is there.
    assert_whole(job, broker, urls)
    assert broker.waiting("shop-events") == 1
    assert HUNG in str(client.jobs())
    assert worker.info(client) is not None
    broker.client.delete(JobKeys(HUNG).counters)
    Registry(broker.client).remove_job(HUNG)
    worker.kill()


def test_a_lock_that_nobody_will_give_back_is_removed(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: what a producer may put where workers have their lock.
    wait_until(lambda: not broker.client.exists("askpix:keeper"), within=30, what="nobody looking")
    broker.client.lpush("askpix:keeper", "mine")
    worker = start_worker()

    # When
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(2)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL)
    finished(job)

    # Then
    wait_until(lambda: str(folder) not in str(client.jobs()), within=30, what="the end of the job")
    assert "askpix:keeper was not made by a worker" in worker.log
