"""A Redis server that fails while a replica stands by: sentinels have that take over, and everything finds it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.pictures import jpeg
from helpers.processes import ASKPIX, environment, wait_until
from helpers.sentinels import Sentinels
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished, in_work

from askpix.producer.client import Client
from askpix.producer.errors import AskpixError, BrokerError

pytestmark = pytest.mark.timeout(400)

ITEMS, PART = 600, 4


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    sentinels = Sentinels(tmp_path_factory.mktemp("sentinels"))
    yield sentinels
    sentinels.close()


@pytest.fixture
def master(broker: Sentinels) -> RedisServer:
    """The server that is to fail."""
    broker.heal()
    master = broker.master()
    assert master is not None
    return master


def _killed(master: RedisServer, _: Sentinels) -> None:
    master.kill()


def _frozen(master: RedisServer, _: Sentinels) -> None:
    """It answers nobody, and no connection to it ends."""
    master.freeze()


def _replaced(_: RedisServer, broker: Sentinels) -> None:
    """It lives, and becomes the replica of the other."""
    broker.promote()


Failure = Callable[[RedisServer, Sentinels], None]


@pytest.mark.parametrize("fails", [_killed, _frozen, _replaced])
def test_a_job_in_its_middle_completes(
    fails: Failure,
    master: RedisServer,
    broker: Sentinels,
    client: Client,
    pages: HeldServer,
    start_worker: Starter,
    folder: Path,
    tmp_path: Path,
) -> None:
    # Given: two workers in the midst of a job, and somebody who watches.
    workers = [start_worker(), start_worker()]
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(ITEMS)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL, part_size=PART)
    watch = _Command(tmp_path / "watch", broker, "watch", folder)
    wait_until(lambda: len(job.folder.results()) >= ITEMS / PART / 5, within=60, what="some parts done")
    watch.wait_for(f"of {ITEMS}")

    # When: the server fails, and somebody asks in that moment; another submits right after.
    failed_at, before = time.monotonic(), len(job.folder.results())
    fails(master, broker)
    ask = _Asking(broker, urls[0])
    taken_over = broker.wait_for_another(master)
    elected = time.monotonic() - failed_at
    for use in (client.jobs, broker.client.ping):
        # Who has a connection to a server that answers nobody finds out by waiting, once.
        with suppress(BrokerError, redis.RedisError):
            use()
    (tmp_path / "list.txt").write_text("\n".join(urls[:8]))
    late = folder.with_name(f"{folder.name}-late")
    submit = _Command(tmp_path / "submit", broker, "submit", "list.txt", "--output", late, "--model", MODEL)

    # Then: all of it goes on with the other server.
    wait_until(lambda: len(job.folder.results()) > before + 6, within=60, what="parts done after the failure")
    print(f"{fails.__name__}: a new master after {elected:.1f} s, parts after {time.monotonic() - failed_at:.1f} s")
    finished(job, within=120, whatever_fails=True)
    assert_whole(job, broker, urls)
    assert watch.process.wait(60) == 0, watch.said()
    assert submit.process.wait(60) == 0, submit.said()
    # Another connection to the server that was may be used only now.
    assert_whole(finished(client.job(str(late)), whatever_fails=True), broker, urls[:8])
    assert ask.told()
    assert "Traceback" not in watch.said() + submit.said() + "".join(worker.log for worker in workers)
    assert taken_over.client.role()[0] == "master"
    for worker in workers:
        assert_unharmed(worker)
        worker.close()


def test_what_the_replica_had_not_heard_of_is_found_again(
    master: RedisServer, broker: Sentinels, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a job of which the replica hears nothing, for it is cut off before that comes.
    worker = start_worker()
    (replica,) = [server for server in broker.servers if server is not master]
    replica.freeze()
    master.client.client_kill_filter(_type="replica")
    job, urls, _ = in_work(client, pages, folder)

    # When
    master.kill()
    replica.thaw()
    broker.wait_for_another(master)
    assert broker.client.zcard("askpix:jobs") == 0
    pages.let_go()

    # Then: the worker, which had heard of the job, has it counted from its folder.
    finished(job, within=120, whatever_fails=True)
    assert_whole(job, broker, urls)
    worker.close()


def test_a_sentinel_that_has_failed_with_the_server_is_not_needed(
    master: RedisServer, broker: Sentinels, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    worker = start_worker()
    job, urls, _ = in_work(client, pages, folder)

    with broker.without_one():
        master.kill()
        broker.wait_for_another(master)
        pages.let_go()
        finished(job, within=120, whatever_fails=True)

    assert_whole(job, broker, urls)
    worker.close()


class _Command:
    """An askpix command beside the test."""

    def __init__(self, log: Path, broker: Sentinels, *words: str | Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(word) for word in (ASKPIX, *words)],
                env=environment(broker.environment),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.said(), within=30, what=f"{words!r} said")


class _Asking:
    """Somebody who asks, and asks again when told that nobody answers."""

    def __init__(self, broker: Sentinels, image: str) -> None:
        self._url, self._image = broker.url, image
        self._answer: list[str] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        ends = time.monotonic() + 90
        while time.monotonic() < ends:
            # A timeout, or a broker that is lost: both are said within their time.
            with suppress(AskpixError, TimeoutError), Client(self._url) as client:
                row = client.ask(self._image, model=MODEL).get(timeout=10)
                self._answer.append(str(row.status))
                return

    def told(self) -> bool:
        self._thread.join(100)
        return bool(self._answer)
