"""A broker that is gone, frozen, read-only or full for a while: workers are back by themselves, and submits wait."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.lasting import lasts
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, environment, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished, in_work

from askpix.producer.client import Client

pytestmark = pytest.mark.timeout(300)

Undo = Callable[[], object]


def _stopped(broker: RedisServer) -> Undo:
    """Ended in order, with what it holds kept for its next start."""
    with suppress(redis.ConnectionError):
        broker.client.shutdown(save=True)
    broker.kill()

    def undo() -> None:
        broker.start()
        (broker.folder / "dump.rdb").unlink()

    return undo


def _killed(broker: RedisServer) -> Undo:
    broker.kill()
    return broker.start


def _emptied(broker: RedisServer) -> Undo:
    broker.client.flushall()
    return lambda: None


def _read_only(broker: RedisServer) -> Undo:
    broker.client.replicaof("127.0.0.1", "1")
    return lambda: broker.client.replicaof("NO", "ONE")


def _full(broker: RedisServer) -> Undo:
    broker.client.config_set("maxmemory", "1")
    return lambda: broker.client.config_set("maxmemory", "0")


def _frozen(broker: RedisServer) -> Undo:
    broker.freeze()
    return broker.thaw


TROUBLES = (_stopped, _killed, _emptied, _read_only, _full, _frozen)
SAFE = (_stopped, _read_only, _full)
"""In which what the broker held is there again, and so no part is done twice."""

SECONDS = 5.0


def _for_a_while(trouble: Callable[[RedisServer], Undo], broker: RedisServer) -> None:
    undo = trouble(broker)
    lasts(SECONDS)
    undo()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_worker_that_is_busy(
    trouble: Callable[[RedisServer], Undo],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    # Given: a worker with two parts in work, and more to come.
    worker = start_worker()
    job, urls, names = in_work(client, pages, folder)

    # When: one of the two ends in the midst of it.
    undo = trouble(broker)
    pages.let_go()
    lasts(SECONDS)
    undo()

    # Then
    finished(job, within=90)
    assert_whole(job, broker, urls)
    assert_unharmed(worker)
    if trouble in SAFE:
        ours = [name for name in pages.came if name in names]
        assert len(ours) == len(set(ours))
    worker.close()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_worker_that_is_idle(
    trouble: Callable[[RedisServer], Undo],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
) -> None:
    worker = start_worker()
    _for_a_while(trouble, broker)

    urls = [pages.put(f"/{folder.name}-{number}", jpeg()) for number in range(4)]
    with Client(broker.url) as anew:
        job = finished(anew.submit(urls, output=str(folder), model=MODEL, part_size=2), within=60)

    assert_whole(job, broker, urls)
    assert_unharmed(worker)
    worker.close()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_submit_and_a_watch(
    trouble: Callable[[RedisServer], Undo],
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
    tmp_path: Path,
) -> None:
    # Given: a list that the submit waits for in its midst.
    urls = [pages.put(f"/{folder.name}-{number}", jpeg()) for number in range(40)]
    log = tmp_path / "log"

    def command(*words: str | Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(
                [str(word) for word in (ASKPIX, *words)],
                env=environment(broker.environment),
                cwd=tmp_path,
                stdout=file,
                stderr=file,
            )

    (tmp_path / "list.txt").write_text("\n".join(urls))

    # When: it is in trouble from the start, or right after.
    submit = command("submit", "list.txt", "--output", folder, "--model", MODEL, "--part-size", "2")
    wait_until(lambda: (folder / "job.json").exists(), within=30, what="the job's folder")
    _for_a_while(trouble, broker)
    assert submit.wait(90) == 0, log.read_text()
    if not client.job(str(folder)).progress().counted:
        # It was lost after the submit had ended, and nobody else had heard of it.
        assert trouble in (_killed, _emptied)
        assert command("resume", folder).wait(30) == 0
    watch = command("watch", folder)
    wait_until(lambda: "of 40" in log.read_text() or "/40" in log.read_text(), within=30, what="a first look")
    _for_a_while(trouble, broker)
    worker = start_worker()

    # Then
    assert watch.wait(120) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert_whole(client.job(str(folder)), broker, urls)
    worker.close()
