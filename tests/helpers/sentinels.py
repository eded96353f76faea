"""A Redis server with a replica, and three sentinels that have the replica take over."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from helpers.ports import free_port
from helpers.processes import wait_until
from helpers.system import REDIS_SERVER, RedisServer
from pydantic import SecretStr

from askpix.producer.broker import redis_client

MASTER = "askpix"
DOWN_MILLISECONDS = 1_000
"""Of silence after which a sentinel takes a server to be down."""


def _open_server(folder: Path) -> RedisServer:
    folder.mkdir()
    return RedisServer(folder)


@dataclass(frozen=True, kw_only=True)
class Secured:
    """How servers and sentinels are kept."""

    server: Callable[[Path], RedisServer] = _open_server
    port: str = "port {port}"
    lines: str = ""
    """Further ones of the sentinels' configuration."""

    login: Mapping[str, Any] = field(default_factory=dict)
    """With what a test speaks to sentinels."""

    own_url: str | None = None
    """By which a test looks into the servers, where not as everybody."""

    url: str = f"redis+sentinel://{{hosts}}/0?master={MASTER}"


class Sentinels:
    """The two servers and those that watch them, where tests take a RedisServer; `client` is one of the master.

    Args:
        secured: what makes a server, a line of all sentinels' configuration, and how they are spoken to; by default all
            is open.
    """

    def __init__(self, folder: Path, secured: Secured | None = None) -> None:
        self._secured = secured or Secured()
        self.servers = [self._secured.server(folder / name) for name in ("first", "second")]
        first, second = self.servers
        second.client.replicaof("127.0.0.1", str(first.port))
        wait_until(lambda: _in_step(first), within=20, what="a replica that has all of its master")
        self._ports = [free_port() for _ in range(3)]
        self._processes = [self._start(_made(folder / f"sentinel-{port}"), port) for port in self._ports]
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        self.url = self._secured.url.format(hosts=hosts)
        self.environment = {"ASKPIX_BROKER_URL": self.url}
        self._asked = [
            redis.Redis(host="127.0.0.1", port=port, decode_responses=True, **self._secured.login)
            for port in self._ports
        ]
        self.client = redis_client(SecretStr((self._secured.own_url or self.url).format(hosts=hosts)))
        try:
            wait_until(self._agreed, within=30, what="sentinels that know each other and both servers")
        except TimeoutError:
            self.close()
            raise

    def _start(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        config = folder / "sentinel.conf"
        first = self.servers[0].port
        config.write_text(
            f"{self._secured.port.format(port=port)}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {first} 2\n"
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLISECONDS}\n"
            f"sentinel failover-timeout {MASTER} 5000\n"
            f"{self._secured.lines}\n"
        )
        command: Sequence[str | Path] = [REDIS_SERVER, config, "--sentinel"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _agreed(self) -> bool:
        with suppress(redis.RedisError):
            states = [sentinel.sentinel_masters()[MASTER] for sentinel in self._asked]
            return all(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 for state in states)
        return False

    def master(self) -> RedisServer | None:
        """Returns the server that the sentinels take for the master."""
        # Two of three: more than that may not answer.
        told = {sentinel.sentinel_get_master_addr_by_name(MASTER) for sentinel in self._asked[1:]}
        if len(told) != 1 or (address := told.pop()) is None:
            return None
        return next(server for server in self.servers if server.port == address[1])

    def wait_for_another(self, than: RedisServer) -> RedisServer:
        """Returns the server that has taken over from one, when it has."""
        (other,) = [server for server in self.servers if server is not than]

        def taken_over() -> bool:
            with suppress(redis.RedisError):
                return other.client.role()[0] == "master" and self.master() is other
            return False

        wait_until(taken_over, within=30, what="a replica that takes over")
        return other

    def promote(self) -> None:
        """Has the replica take over although nothing has happened, as for maintenance."""
        self._asked[0].sentinel_failover(MASTER)

    @contextmanager
    def without_one(self) -> Iterator[None]:
        """Has the sentinel that is asked first answer nobody."""
        self._processes[0].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._processes[0].send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Has both servers there again, one a replica of the other; starts the one that was ended."""
        for server in self.servers:
            server.thaw()
            if server.ended:
                server.start()

        def whole() -> bool:
            master = self.master()
            with suppress(redis.RedisError):
                return master is not None and _in_step(master) and self._agreed()
            return False

        wait_until(whole, within=60, what="a server and its replica")

    def waiting(self, queue: str = "askpix-demo") -> int:
        return int(self.client.llen(f"askpix:{queue}"))

    def close(self) -> None:
        self.client.close()
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        for asked in self._asked:
            asked.close()
        for server in self.servers:
            server.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _in_step(master: RedisServer) -> bool:
    replica = master.client.info("replication").get("slave0")
    return isinstance(replica, dict) and replica["state"] == "online"
