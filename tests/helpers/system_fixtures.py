"""Fixtures: a broker, workers and a web server for the tests of one file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.processes import wait_until
from helpers.system import HeldServer, RedisServer, Starter, WorkerProcess

from askpix.producer.client import Client


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which workers may write jobs and read images."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def pages() -> Iterator[HeldServer]:
    server = HeldServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def start_worker(
    broker: RedisServer, root: Path, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Starter]:
    """Starts workers that may use `root`, the bundled pictures, and the web server."""
    started: list[WorkerProcess] = []
    own = ("--storage-root", root, "--files-root", root, "--files-root", images, "--allow-net", "127.0.0.1/32")

    def start(*options: str | Path, env: dict[str, str] | None = None) -> WorkerProcess:
        log = tmp_path_factory.mktemp("worker") / "log"
        worker = WorkerProcess(broker, log, *own, *options, env=env)
        started.append(worker)
        with Client(broker.url) as client:
            worker.wait_until_live(client)
        return worker

    yield start
    for worker in started:
        worker.process.terminate()
    for worker in started:
        worker.close()


@pytest.fixture
def client(broker: RedisServer, pages: HeldServer) -> Iterator[Client]:
    """A producer. After the test, nothing of its jobs is left with the broker or in work."""
    with Client(broker.url) as client:
        yield client
        pages.let_go()
        for uri, _ in client.jobs():
            client.job(uri).cancel()

        def at_rest() -> bool:
            return not client.workers() or (not broker.waiting() and not broker.client.keys("askpix:job:*:leases"))

        wait_until(at_rest, within=30, what="the end of all parts in work")


@pytest.fixture
def folder(root: Path, request: pytest.FixtureRequest) -> Path:
    """A job folder of the test's own, not made yet."""
    return root / re.sub(r"\W+", "-", request.node.name).strip("-")[:100]
