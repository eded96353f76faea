"""The broker holds a window of a job, however long the job is, and looking at a job costs the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.processes import askpix
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.live import PartLive
from askpix.producer.progress import Progress
from askpix.producer.redis_keys import JobKeys

WINDOW = 10
PARTS = 120


@contextmanager
def most_waiting(broker: RedisServer) -> Iterator[list[int]]:
    """Yields a list that gets the length of the queue whenever it is more than before."""
    most = [broker.waiting()]
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            most.append(max(most[-1], broker.waiting()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def test_a_worker_tops_the_window_up_when_the_producer_is_gone(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    # Given: a submission whose process has ended.
    urls = pages.put_many([f"/w-{number:03d}" for number in range(PARTS)], jpeg())
    (tmp_path / "list.txt").write_text("\n".join(urls))
    env = {**broker.environment, "ASKPIX_WINDOW": str(WINDOW)}
    command = ("submit", "list.txt", "--output", folder, "--model", MODEL, "--part-size", "1")
    submitted = askpix(*command, cwd=tmp_path, env=env)
    assert submitted.code == 0, submitted.err
    assert f"{PARTS} parts" in submitted.err
    assert f"No worker serves {MODEL}: none is running. The job waits for one." in submitted.err
    assert broker.waiting() == WINDOW

    # When it is submitted again, nothing more is queued.
    assert askpix(*command, cwd=tmp_path, env=env).code == 0
    assert broker.waiting() == WINDOW

    # When a worker comes
    job = client.job(str(folder))
    with most_waiting(broker) as most:
        start_worker()
        finished(job)

    # Then: each part was asked for once, and never did more than the window wait.
    assert most[-1] == WINDOW
    assert [row.image for row in job.results()] == urls
    assert sorted(pages.came) == sorted(f"/w-{number:03d}" for number in range(PARTS))


def test_a_window_of_one_is_enough(
    client: Client, pages: HeldServer, broker: RedisServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKPIX_WINDOW", "1")
    url = pages.put("/one", jpeg())
    with Client(broker.url) as narrow, most_waiting(broker) as most:
        job = finished(narrow.submit([url] * 8, output=str(folder), model=MODEL, part_size=1))

    assert most[-1] <= 1
    assert len(list(job.results())) == 8


def commands_of_a_reading(broker: RedisServer, job: Job) -> dict[str, int]:
    """Returns which commands Redis ran for a look at a job's progress, and how often."""
    job.progress()  # connects
    broker.client.config_resetstat()
    job.progress()
    stats = broker.client.info("commandstats")
    ours = {"cmdstat_config|resetstat", "cmdstat_info"}
    return {name: entry["calls"] for name, entry in stats.items() if name not in ours}


def test_a_reading_costs_the_same_for_10_parts_and_for_10_000(
    pages: HeldServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Given: a broker that nobody else uses.
    broker = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        with Client(broker.url) as client:
            few, many = (
                client.submit(
                    [f"https://shop.example/{number}.jpg" for number in range(parts)],
                    output=str(tmp_path / str(parts)),
                    model=MODEL,
                    part_size=1,
                )
                for parts in (10, 10_000)
            )
            assert many.spec.parts == 10_000
            assert broker.waiting() == 2_000 + 10
            for job in (few, many):
                counters = Progress(broker.client, job.folder.uri)
                for part in range(job.spec.parts // 2):
                    counters.claim(part).done(ok=1, codes={}, how=PartLive(done=1))

            # When
            commands = [commands_of_a_reading(broker, job) for job in (few, many)]

            # Then
            assert commands == [{"cmdstat_hgetall": 1}] * 2
            assert many.progress().parts_done == 5_000
            # And: what is read is small.
            sizes = [broker.client.hlen(JobKeys(job.folder.uri).counters) for job in (few, many)]
            assert sizes[0] == sizes[1] < 20
    finally:
        broker.close()
