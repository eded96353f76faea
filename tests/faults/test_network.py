"""A network that is cut, hangs or trickles between a worker and its broker or its S3, and is whole again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_unharmed, assert_whole
from helpers.lasting import lasts
from helpers.proxy import Proxy, Way
from helpers.s3_server import S3Server, environment, using
from helpers.system import HeldServer, RedisServer, Starter, finished, in_work

from askpix.producer.client import Client

pytestmark = pytest.mark.timeout(300)

TROUBLES = {Way.REFUSED: 5.0, Way.RESET: 5.0, Way.SILENT: 12.0, Way.SLOW: 8.0, Way.FORGOTTEN: 0.0}
"""For how many seconds each lasts; the silence, for longer than a worker waits for an answer of its broker."""

MakeProxy = Callable[[int], Proxy]


@pytest.fixture
def proxy_of() -> Iterator[MakeProxy]:
    with ExitStack() as stack:

        def make(port: int) -> Proxy:
            proxy = Proxy(port)
            stack.callback(proxy.close)
            return proxy

        yield make


def _in_trouble(proxy: Proxy, way: Way) -> None:
    proxy.turn(way)
    lasts(TROUBLES[way])
    proxy.turn(Way.OPEN)


@pytest.mark.parametrize("way", TROUBLES)
def test_between_a_worker_and_its_broker(
    way: Way,
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    start_worker: Starter,
    folder: Path,
    proxy_of: MakeProxy,
) -> None:
    # Given: a worker with two parts in work, one of which ends while the network is in trouble.
    proxy = proxy_of(broker.port)
    worker = start_worker(env={"ASKPIX_BROKER_URL": f"redis://127.0.0.1:{proxy.port}/0"})
    job, urls, _ = in_work(client, pages, folder)

    # When
    proxy.turn(way)
    pages.let_go()
    _in_trouble(proxy, way)

    # Then
    finished(job, within=120)
    assert_whole(job, broker, urls)
    assert_unharmed(worker)
    worker.close()


@pytest.mark.parametrize("way", TROUBLES)
def test_between_a_worker_and_its_s3(
    way: Way,
    client: Client,
    pages: HeldServer,
    broker: RedisServer,
    s3: S3Server,
    start_worker: Starter,
    folder: Path,
    proxy_of: MakeProxy,
) -> None:
    # Given: the same, where the results go to S3.
    proxy = proxy_of(s3.port)
    bucket = s3.bucket()
    worker = start_worker("--storage-root", f"s3://{bucket}/jobs", env=environment(f"http://127.0.0.1:{proxy.port}"))
    with using(s3.environment):
        job, urls, names = in_work(client, pages, f"s3://{bucket}/jobs/{way.name}")

        # When
        proxy.turn(way)
        pages.let_go()
        _in_trouble(proxy, way)

        # Then: it goes on by itself, and nothing that was answered is asked again.
        finished(job, within=150)
        assert_whole(job, broker, urls)
    assert_unharmed(worker)
    assert sorted(name for name in pages.came if name in names) == sorted(names)
    assert "Traceback" not in worker.log
    worker.close()
