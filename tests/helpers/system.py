"""The parts of a system whose producers and workers live apart, each in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from helpers.http_server import Server, _Handler
from helpers.pictures import jpeg
from helpers.ports import free_port
from helpers.processes import environment, wait_until

from askpix.producer.client import Client
from askpix.producer.errors import BrokerError
from askpix.producer.followed import Job
from askpix.producer.redis_keys import JobKeys
from askpix.producer.registry import WorkerInfo
from askpix.worker.local import demo_model

REDIS_SERVER = "/usr/bin/redis-server"
MODEL = "askpix-demo"


def need_redis_server() -> None:
    """Skips the test where there is no Redis server, unless none may be skipped."""
    if not Path(REDIS_SERVER).exists() and "ASKPIX_TESTS_MUST_NOT_SKIP" not in os.environ:
        pytest.skip(f"{REDIS_SERVER} is not installed (Debian package redis-server)")


class RedisServer:
    """A real Redis server on 127.0.0.1 that keeps nothing on disk. It can be ended and started again.

    Args:
        options: further ones of the server.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        need_redis_server()
        self.folder = folder
        self._options = options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.environment = {"ASKPIX_BROKER_URL": self.url}
        self.client = redis.Redis.from_url(self.url, decode_responses=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no", *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, within=10, what="an answer of Redis")

    def kill(self) -> None:
        """Ends the server at once, and with it all that it held."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    @property
    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def freeze(self) -> None:
        """Has it answer nobody, without ending any connection."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        self.kill()

    def waiting(self, queue: str = MODEL) -> int:
        """Returns how many messages wait in a queue."""
        return int(self.client.llen(f"askpix:{queue}"))

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False


class WorkerProcess:
    """`askpix worker`, by default with the demo model."""

    def __init__(
        self,
        broker: RedisServer,
        log: Path,
        *options: str | Path,
        model: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "askpix.cli.entry", "worker", "--model", model or demo_model(), *options],
                cwd=log.parent,
                env=environment({**broker.environment, **(env or {})}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self.name = f"askpix-{self.process.pid}@{socket.gethostname()}"

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_log(self, *words: str) -> str:
        """Returns the log once a line of it holds all the words."""

        def there() -> bool:
            return any(all(word in line for word in words) for line in self.log.splitlines())

        wait_until(there, within=20, what=f"a line with {words} in the worker's log:\n{self.log[-2_000:]}")
        return self.log

    def info(self, client: Client) -> WorkerInfo | None:
        """Returns what the worker announced last."""
        return next((info for info in client.workers() if info.name == self.name), None)

    def counters(self, client: Client) -> dict[str, int]:
        """Returns the engine's counters as they are announced from now on."""
        info = self.info(client)
        before = 0.0 if info is None else info.seen

        def announced() -> bool:
            nonlocal info
            info = self.info(client)
            return info is not None and info.seen > before

        wait_until(announced, within=15, what="an announcement")
        assert info is not None
        return dict(info.models[0].counters)

    def wait_until_live(self, client: Client) -> None:
        def live() -> bool:
            assert self.process.poll() is None, self.log
            return self.info(client) is not None

        wait_until(live, within=60, what="a live worker")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        """Asks the worker to end; returns when it has."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


class HeldServer(Server):
    """A web server that keeps whoever asks for some of its pages waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._http.RequestHandlerClass = _HeldHandler
        self._gates: dict[str, threading.Event] = {}
        self.came: list[str] = []
        """Paths that were asked for, in order, those that are kept waiting included."""

    def hold(self, *paths: str) -> None:
        """Keeps answers to these paths back. A worker gives up after ten seconds."""
        for path in paths:
            self._gates[path] = threading.Event()

    def let_go(self) -> None:
        """Answers all that was kept back, and from now on at once."""
        for gate in self._gates.values():
            gate.set()

    def pass_through(self, path: str) -> None:
        """Waits as long as a path is held."""
        self.came.append(path)
        if gate := self._gates.get(path):
            gate.wait(60)

    def put_many(self, names: Iterable[str], body: bytes) -> list[str]:
        return [self.put(name, body) for name in names]

    def close(self) -> None:
        self.let_go()
        super().close()


class _HeldHandler(_Handler):
    def handle(self) -> None:
        # Who was kept waiting may have gone.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:  # noqa: N802 - as in the base class
        owner = self.server.owner
        assert isinstance(owner, HeldServer)
        owner.pass_through(self.path)
        super().do_GET()


Starter = Callable[..., WorkerProcess]
"""Starts a worker with further options, and `env` for its environment; waits until it lives."""


def finished(job: Job, *, within: float = 60, whatever_fails: bool = False) -> Job:
    """Waits for a job's end; returns the job.

    Args:
        whatever_fails: whether the broker may not answer meanwhile.
    """

    def ended() -> bool:
        try:
            progress = job.progress()
        except BrokerError:
            if whatever_fails:
                return False
            raise
        assert progress.error is None, progress.error
        return progress.finished

    wait_until(ended, within=within, what="the end of the job")
    return job


def kept_alive(start: Callable[[], WorkerProcess], job: Job, *, within: float = 200) -> tuple[WorkerProcess, list[int]]:
    """Keeps one worker alive, as a supervisor does, until a job has ended.

    Returns:
        The last one, and the exit codes of those before it.
    """
    workers = [start()]

    def ended() -> bool:
        progress = job.progress()
        assert progress.error is None, progress.error
        if workers[-1].process.poll() is not None:
            workers.append(start())
        return progress.finished

    wait_until(ended, within=within, what="the end of the job")
    return workers[-1], [worker.process.returncode for worker in workers[:-1]]


def in_work(
    client: Client, pages: HeldServer, output: str | Path, *, part_size: int = 2
) -> tuple[Job, list[str], list[str]]:
    """Submits a job of twelve images, of which those of the first two parts wait for their server; returns when a
    worker has asked for these, with the job, its images, and their paths on the server."""
    names = [f"/{Path(output).name}-{uuid.uuid4().hex[:8]}-{number}" for number in range(12)]
    urls = pages.put_many(names, jpeg())
    held = names[: 2 * part_size]
    pages.hold(*held)
    job = client.submit(urls, output=str(output), model=MODEL, part_size=part_size)
    wait_until(lambda: set(held) <= set(pages.came), within=20, what="two parts in work")
    return job, urls, names


def leases(broker: RedisServer, job: Job) -> int:
    """Returns how many parts of a job are in work."""
    return int(broker.client.hlen(JobKeys(job.folder.uri).leases))


def everything_in(folder: Path) -> dict[str, bytes]:
    """Returns the files under a folder, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
