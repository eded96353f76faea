"""A failover behind an address that moves, as of a managed Redis: the old server lives on as a replica, and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.job_outcomes import assert_whole
from helpers.processes import wait_until
from helpers.proxy import Proxy
from helpers.system import HeldServer, RedisServer, Starter, finished, in_work
from pydantic import SecretStr

from askpix.producer.broker import redis_client
from askpix.producer.client import Client

pytestmark = pytest.mark.timeout(300)


class Address(Proxy):
    """An address that leads to one of two servers, and stands where tests take a RedisServer."""

    def __init__(self, folder: Path) -> None:
        self.servers = []
        for name in ("first", "second"):
            (folder / name).mkdir()
            self.servers.append(RedisServer(folder / name))
        first, second = self.servers
        super().__init__(first.port)
        second.client.replicaof("127.0.0.1", str(first.port))
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.environment = {"ASKPIX_BROKER_URL": self.url}
        self.client = redis_client(SecretStr(self.url))

    def move(self) -> None:
        """Has the second server take over, without a connection being ended."""
        first, second = self.servers

        def in_step() -> bool:
            told = [server.client.info("replication")["master_repl_offset"] for server in self.servers]
            return told[0] == told[1]

        wait_until(in_step, within=20, what="a replica that has all of its master")
        second.client.replicaof("NO", "ONE")
        first.client.replicaof("127.0.0.1", str(second.port))
        self.lead_to(second.port)

    def waiting(self, queue: str = "askpix-demo") -> int:
        return int(self.client.llen(f"askpix:{queue}"))

    def close(self) -> None:
        self.client.close()
        super().close()
        for server in self.servers:
            server.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    address = Address(tmp_path_factory.mktemp("address"))
    yield address
    address.close()


def test_whoever_is_connected_to_the_old_server_finds_the_new_one(
    broker: Address, client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    # Given: a worker with two parts in work, a producer, and somebody who has been asking, all of them connected.
    worker = start_worker()
    job, urls, names = in_work(client, pages, folder)
    client.ask(urls[-1], model=job.spec.model).get(timeout=30)

    # When
    broker.move()
    pages.let_go()

    # Then: nobody is told but by refusals, the job ends, and what was in work is not done again.
    finished(job, within=90, whatever_fails=True)
    assert_whole(job, broker, urls)
    assert broker.servers[1].client.client_list(_type="normal")
    assert [pages.came.count(name) for name in names[:4]] == [1] * 4
    row = client.ask(urls[0], model=job.spec.model).get(timeout=60)
    assert row.status == "ok"
    again = client.submit(urls[:2], output=f"{folder}-again", model=job.spec.model)
    assert_whole(finished(again), broker, urls[:2])
    assert "Traceback" not in worker.log
    worker.close()
