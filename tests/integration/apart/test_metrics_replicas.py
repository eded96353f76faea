"""The parent of replicas has the one port, and tells for all of them."""

from __future__ import annotations

import json
import os
import signal
import stat
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.metrics import scrape, status
from helpers.ports import free_port
from helpers.processes import wait_until
from helpers.system import MODEL, RedisServer, WorkerProcess, finished

from askpix.producer.client import Client
from askpix.worker.cores import allowed

pytestmark = pytest.mark.skipif(len(allowed()) < 2, reason="two replicas need two CPUs")


def readiness(port: int) -> dict[str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.loads(error.read()))


def live(client: Client) -> set[int]:
    """Returns the process ids of the replicas that live."""
    return {int(info.name.removeprefix("askpix-").partition("@")[0]) for info in client.workers()}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def parent(broker: RedisServer, port: int, root: Path, images: Path, tmp_path: Path) -> Iterator[WorkerProcess]:
    """The parent of two replicas, one of which has begun at the least."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    access = ("--storage-root", root, "--files-root", images)
    options = (*access, "--replicas", "2", "--health-port", str(port))
    parent = WorkerProcess(broker, tmp_path / "log", *options, env={"TMPDIR": str(temporary)})
    wait_until(lambda: status(port, "/livez") == 200, within=60, what="a parent that answers")
    yield parent
    parent.close()
    assert list(temporary.iterdir()) == [], "nothing of the sockets is left"


def all_ready(port: int) -> bool:
    return readiness(port) == {"status": "ok", "replica 1": "ok", "replica 2": "ok"}


@pytest.mark.timeout(300)
def test_what_they_have_done_together_is_in_the_rows(
    parent: WorkerProcess, client: Client, port: int, folder: Path, images: Path, tmp_path: Path
) -> None:
    # Given: a parent that is alive before any of them is ready, and ready as soon as one is.
    assert status(port, "/metrics") == 200
    wait_until(lambda: status(port, "/readyz") == 200, within=90, what="a ready replica")
    wait_until(lambda: all_ready(port), within=90, what="two ready replicas")
    (sockets,) = (tmp_path / "tmp").glob("askpix-*")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700

    # When
    pictures = [str(path) for path in sorted(images.glob("*.jpg"))]
    job = client.submit([*pictures, "/etc/passwd"], output=str(folder), model=MODEL, part_size=2)
    rows = list(finished(job).results())
    spec = job.folder.spec()
    assert spec is not None
    # A part counts as done just after its job does.
    wait_until(
        lambda: scrape(port).sum("askpix_parts_total", outcome="done") == spec.parts, within=20, what="all parts done"
    )
    told = scrape(port)

    # Then
    assert told.by("status", "askpix_items_total") == Counter(row.status for row in rows)
    assert told.by("code", "askpix_items_total", status="error") == {"not_allowed": 1}
    assert told.by("replica", "askpix_replica_up") == {"1": 1, "2": 1}
    assert {own["replica"] for own, _ in told.samples("askpix_worker_ready")} == {"1", "2"}
    for name, family in told.families.items():
        everyone = name in ("askpix_parent_info", "askpix_replica_ends") or all(
            "replica" in sample.labels for sample in family.samples
        )
        assert everyone, f"{name} says of whom it is"


@pytest.mark.timeout(300)
def test_one_that_hangs_or_dies_is_told_and_keeps_nobody_waiting(
    parent: WorkerProcess, client: Client, port: int
) -> None:
    # Given
    wait_until(lambda: all_ready(port) and len(live(client)) == 2, within=90, what="two ready replicas")
    victim, _ = live(client)

    # When it hangs
    os.kill(victim, signal.SIGSTOP)
    told = scrape(port)

    # Then
    assert sorted(value for _, value in told.samples("askpix_replica_up")) == [0, 1]
    assert len(list(told.samples("askpix_worker_ready"))) == 1
    said = readiness(port)
    assert said["status"] == "ok"
    assert sorted(said.values()) == ["it does not answer", "ok", "ok"]
    assert status(port, "/livez") == 200

    # When it dies
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: scrape(port).sum("askpix_replica_restarts_total") == 1, within=60, what="a restart")
    wait_until(lambda: all_ready(port), within=90, what="two ready replicas again")

    # Then
    after = scrape(port)
    assert after.by("how", "askpix_replica_ends_total") == {"signal": 1}
    assert after.by("replica", "askpix_replica_up") == {"1": 1, "2": 1}
