"""A broker that loses all that it held: live workers, or a watch, carry on from the job's folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, askpix, environment, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished, in_work

from askpix.producer.client import Client
from askpix.producer.followed import Job


def _emptied(broker: RedisServer) -> None:
    broker.client.flushall()


def _killed(broker: RedisServer) -> None:
    broker.kill()
    broker.start()


def _submitted_for_others(client: Client, pages: HeldServer, folder: Path) -> Job:
    """Submits a job of three parts for a kind of device that no worker has."""
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(3)], jpeg())
    return client.submit(urls, output=str(folder), model=MODEL, part_size=1, device="gpu")


def _announced_twice(worker: WorkerProcess, client: Client) -> dict[str, int]:
    """Waits until a worker has heard of what is there now; returns its engine's counters."""
    worker.counters(client)
    return worker.counters(client)


@pytest.mark.parametrize("lose", [_emptied, _killed])
def test_a_live_worker_restores_the_job_that_it_works_on(
    lose: Callable[[RedisServer], None],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    # Given: a job of which two parts are in work, and ten are queued.
    worker = start_worker()
    job, urls, _ = in_work(client, pages, folder, part_size=1)

    # When
    lose(broker)
    pages.let_go()

    # Then: nobody says that it is to be carried on with.
    with Client(broker.url) as anew:
        job = finished(anew.job(str(folder)), within=60)
        assert_whole(job, broker, urls)
    assert_unharmed(worker)
    assert "lost by the broker: it is registered again" in worker.log
    worker.close()


def test_a_worker_restores_a_job_that_waits_for_others(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given
    worker = start_worker()
    _submitted_for_others(client, pages, folder)
    before = _announced_twice(worker, client)

    # When
    broker.client.flushall()

    # Then
    wait_until(lambda: broker.waiting(f"{MODEL}.gpu") == 3, within=30, what="the parts on their queue")
    assert worker.counters(client) == before
    worker.close()


@pytest.mark.parametrize("hold", [Job.pause, Job.cancel], ids=["pause", "cancel"])
def test_a_job_that_was_cancelled_or_paused_stays_so(
    hold: Callable[[Job], None],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    # Given
    worker = start_worker()
    job = _submitted_for_others(client, pages, folder)
    _announced_twice(worker, client)
    hold(job)

    # When
    broker.client.flushall()
    _announced_twice(worker, client)

    # Then
    assert broker.waiting(f"{MODEL}.gpu") == 0
    assert [uri for uri, _ in client.jobs()] == []
    worker.close()


def test_where_nobody_has_seen_the_job_resume_restores_it(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    # Given
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(3)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=1)
    broker.client.flushall()

    # When
    status, watched, resumed = (
        askpix(command, folder, cwd=tmp_path, env=broker.environment) for command in ("status", "watch", "resume")
    )
    worker = start_worker()

    # Then
    assert (status.code, watched.code, resumed.code) == (0, 2, 0)
    assert "0 of 3 items" in status.out
    for said in (status.err, watched.err):
        assert f"`askpix resume {folder}`" in said
    assert "3 of 3 parts left" in resumed.err
    assert_whole(finished(job), broker, urls)
    worker.close()


def test_a_watch_that_is_running_restores_the_job(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    # Given: a job that no worker has seen, and somebody who watches it.
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(3)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=1)
    log = tmp_path / "log"
    with log.open("wb") as file:
        watch = subprocess.Popen(
            [str(word) for word in (ASKPIX, "watch", folder)],
            env=environment(broker.environment),
            cwd=tmp_path,
            stdout=file,
            stderr=file,
        )
    wait_until(lambda: "0 of 3" in log.read_text() or "0/3" in log.read_text(), within=30, what="a first look")

    # When
    broker.client.flushall()
    wait_until(lambda: broker.waiting() == 3, within=20, what="the parts on their queue")
    worker = start_worker()

    # Then
    assert watch.wait(60) == 0, log.read_text()
    assert_whole(job, broker, urls)
    worker.close()
