"""Several worker processes under one parent: each on cores of its own, and none left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.affinity import affinities
from helpers.job_outcomes import assert_unharmed
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, RedisServer, WorkerProcess, finished

from askpix.producer.client import Client
from askpix.producer.rows import Status
from askpix.worker.cores import allowed

pytestmark = pytest.mark.skipif(len(allowed()) < 2, reason="two replicas need two CPUs")


def live(client: Client) -> set[int]:
    """Returns the process ids of the workers that live."""
    return {int(info.name.removeprefix("askpix-").partition("@")[0]) for info in client.workers()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def client(broker: RedisServer) -> Iterator[Client]:
    broker.client.flushall()
    with Client(broker.url) as client:
        yield client


@pytest.fixture
def start(
    broker: RedisServer, client: Client, root: Path, images: Path, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts two replicas; returns when both live."""
    started: list[WorkerProcess] = []

    def start(*options: str | Path) -> WorkerProcess:
        access = ("--storage-root", root, "--files-root", images)
        parent = WorkerProcess(broker, tmp_path / "log", *access, "--replicas", "2", *options)
        started.append(parent)

        def both() -> bool:
            assert_unharmed(parent)
            return len(live(client)) == 2

        wait_until(both, within=90, what="two live workers")
        return parent

    yield start
    for parent in started:
        parent.close()


def test_they_share_the_cores_and_the_work_and_end_as_one(
    start: Callable[..., WorkerProcess], client: Client, root: Path, images: Path
) -> None:
    # Given
    parent = start()

    # When: both have computed something, so that all threads that they ever have are there.
    pictures = [str(path) for path in sorted(images.glob("*.jpg"))]
    job = client.submit(pictures, output=str(root / "shared"), model=MODEL, part_size=4)
    rows = list(finished(job).results())

    # Then
    assert [row.image for row in rows] == pictures
    assert all(row.status is Status.OK for row in rows)
    replicas = live(client)
    masks = [affinities(pid) for pid in replicas]
    assert all(len(of_one) == 1 for of_one in masks), "each thread of a replica runs on the same CPUs"
    first, second = (next(iter(of_one)) for of_one in masks)
    assert not first & second
    assert first | second == os.sched_getaffinity(0)

    # When
    parent.process.terminate()

    # Then
    assert parent.process.wait(30) == 0, parent.log
    assert all(gone(pid) for pid in replicas)
    assert "Traceback" not in parent.log


def test_they_keep_to_the_cpus_that_they_are_given(start: Callable[..., WorkerProcess], client: Client) -> None:
    first, last = allowed()[0], allowed()[-1]

    start("--cpus", f"{first},{last}", "--threads", "1")

    assert [affinities(pid) for pid in sorted(live(client))] in (
        [{frozenset({first})}, {frozenset({last})}],
        [{frozenset({last})}, {frozenset({first})}],
    )


def test_one_that_is_killed_is_started_again(start: Callable[..., WorkerProcess], client: Client) -> None:
    # Given
    parent = start()
    victim, other = live(client)

    # When
    os.kill(victim, signal.SIGKILL)

    # Then: a third process is there beside the other one.
    wait_until(lambda: bool(live(client) - {victim, other}), within=60, what="a new worker")
    parent.wait_for_log("SIGKILL", "started again")
    assert not gone(other)


def test_when_the_parent_is_killed_they_go_by_themselves(start: Callable[..., WorkerProcess], client: Client) -> None:
    parent = start()
    replicas = live(client)

    parent.kill()

    wait_until(lambda: all(gone(pid) for pid in replicas), within=20, what="the end of all")
    assert live(client) == set()


def test_ctrl_c_reaches_each_once(start: Callable[..., WorkerProcess], client: Client) -> None:
    parent = start()
    replicas = live(client)

    parent.process.send_signal(signal.SIGINT)

    assert parent.process.wait(30) == 0
    assert all(gone(pid) for pid in replicas)
    assert parent.log.count("SIGINT: the worker ends") == 2
    assert "once more" not in parent.log


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nowhere"], "no model folder nowhere"),
        (["--cpus", "99999"], "there is no CPU 99999"),
        (["--threads", "100000"], "--threads 100000 does not go with"),
        (["--replicas", "100000"], "--replicas 100000 does not go with"),
    ],
)
def test_what_keeps_them_from_starting_is_said_once(
    broker: RedisServer, tmp_path: Path, options: list[str], words: str
) -> None:
    ran = askpix(
        "worker", "--storage-root", tmp_path, "--replicas", "2", *options, cwd=tmp_path, env=broker.environment
    )

    assert words in the_complaint(ran)
