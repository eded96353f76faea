"""A Redis server of the benchmark's own, and what it has been asked and held."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import redis

_START_SECONDS = 10.0
_LOOK_SECONDS = 0.02


class Redis:
    """`redis-server` on 127.0.0.1, from `with` to its end; keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is not installed (Debian package redis-server)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.client: redis.Redis = redis.Redis.from_url(self.url, decode_responses=True)

    def __enter__(self) -> Self:
        ends = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.client.ping()
            except redis.ConnectionError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait(10)

    def look(self) -> Look:
        """Returns what it has done so far."""
        info: Any = self.client.info("everything")
        calls = {name.removeprefix("cmdstat_"): stat for name, stat in info.items() if name.startswith("cmdstat_")}
        return Look(
            at=time.monotonic(),
            calls={name: int(stat["calls"]) for name, stat in calls.items()},
            microseconds={name: float(stat["usec"]) for name, stat in calls.items()},
            processor=float(info["used_cpu_sys"]) + float(info["used_cpu_user"]),
            received=int(info["total_net_input_bytes"]),
            sent=int(info["total_net_output_bytes"]),
            clients=int(info["connected_clients"]),
            memory=int(info["used_memory"]),
            data=int(info["used_memory_dataset"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a server has done since it started."""

    at: float
    """By `time.monotonic()`."""

    calls: Mapping[str, int]
    """By command. What scripts call is among them."""

    microseconds: Mapping[str, float]
    """That the server spent in them. A script's are also those of what it calls."""

    processor: float
    """Seconds."""

    received: int
    sent: int
    """Bytes."""

    clients: int
    memory: int
    data: int
    """Bytes in all, and of what it holds."""

    def since(self, before: Look, without: Mapping[str, int] | None = None) -> dict[str, Any]:
        """Returns what it did between two looks.

        Args:
            without: calls that were the benchmark's own.
        """
        own = {"info": 1, **(without or {})}
        calls = {name: count - before.calls.get(name, 0) - own.get(name, 0) for name, count in self.calls.items()}
        return {
            "seconds": self.at - before.at,
            "calls": {name: count for name, count in sorted(calls.items(), key=lambda pair: -pair[1]) if count > 0},
            "processor_seconds": self.processor - before.processor,
            "received": self.received - before.received,
            "sent": self.sent - before.sent,
        }


@dataclass
class Watched:
    """Looks at a queue's length 50 times a second and at the server's memory once, from `with` to its end."""

    server: Redis
    queue: str
    lengths: list[tuple[float, int]] = field(default_factory=list)
    """When, by `time.monotonic()`, and how many messages waited."""

    memory: list[tuple[float, int]] = field(default_factory=list)
    """When, and bytes."""

    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def calls(self) -> dict[str, int]:
        """Returns how often it has asked the server."""
        return {"llen": len(self.lengths), "info": len(self.memory)}

    def _run(self) -> None:
        client = self.server.client
        next_memory = 0.0
        while not self._ended.wait(_LOOK_SECONDS):
            with suppress(redis.ConnectionError):
                now = time.monotonic()
                self.lengths.append((now, int(client.llen(self.queue))))  # type: ignore[arg-type]
                if now >= next_memory:
                    next_memory = now + 1
                    info: Any = client.info("memory")
                    self.memory.append((now, int(info["used_memory"])))
