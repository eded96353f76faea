"""The fleet: worker processes that come and go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from askpix.producer.client import Client

ROOT = Path(__file__).parents[2]

ENVIRONMENT = {
    # No processes beside the workers, which are many more than there are processors; and no 64 threads in each.
    "ASKPIX_DECODE_PROCESSES": "0",
    "ASKPIX_LOAD_THREADS": "4",
    "OPENBLAS_NUM_THREADS": "1",
}

_START_SECONDS = 600.0
_END_SECONDS = 120.0

_NICE = 10
"""Of workers: Redis and the producer would have cores of their own. As one of 65 that want two cores, the producer sent
20 messages a second, and the queue was always empty."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker process."""

    process: subprocess.Popen[bytes]
    trace: Path
    log: Path


class Fleet:
    """Worker processes, from `with` to their end.

    Args:
        broker_url: where their queue is.
        storage_root: under which they may work.
        folder: for their traces and logs.
        item_ms: that the stand-in takes for an item.
        environment: of the workers, beside this process's own.
    """

    def __init__(
        self, broker_url: str, storage_root: str, folder: Path, item_ms: float, environment: Mapping[str, str]
    ) -> None:
        self._command = ["worker", "--storage-root", storage_root, "--broker", broker_url, "--log-level", "warning"]
        self._folder = folder
        self._item_ms = item_ms
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ASKPIX_", "CELERY_"))}
        self._environment = {**own, "PYTHONPATH": str(ROOT), **ENVIRONMENT, **environment}
        self.members: list[Member] = []
        """All that were ever started, in this order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.living():
            member.process.terminate()
        ends = time.monotonic() + _END_SECONDS
        for member in self.members:
            try:
                member.process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()

    def start(self, count: int) -> list[Member]:
        """Starts so many more workers; returns them at once."""
        started = []
        for number in range(len(self.members), len(self.members) + count):
            trace, log = self._folder / f"{number:04d}.trace", self._folder / f"{number:04d}.log"
            trace.touch()
            program = ["nice", "-n", str(_NICE), sys.executable, "-m", "bench.fleet.worker"]
            command = [*program, f"{self._item_ms:g}", str(trace), *self._command]
            with log.open("wb") as file:
                process = subprocess.Popen(
                    command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
                )
            started.append(Member(process, trace, log))
        self.members += started
        return started

    def kill(self, members: Sequence[Member]) -> None:
        """Ends workers without a word."""
        for member in members:
            member.process.kill()
        for member in members:
            member.process.wait()

    def living(self) -> list[Member]:
        return [member for member in self.members if member.process.poll() is None]

    def wait_until_live(self, client: Client) -> None:
        """Waits until all that were started, and not ended, have announced themselves."""
        ends = time.monotonic() + _START_SECONDS
        while True:
            names = {int(info.name.removeprefix("askpix-").partition("@")[0]) for info in client.workers()}
            missing = [member for member in self.members if member.process.pid not in names]
            for member in missing:
                if member.process.poll() not in (None, -9):
                    raise SystemExit(f"a worker ended: {member.log.read_text()[-2_000:]}")
            if not [member for member in missing if member.process.poll() is None]:
                return
            if time.monotonic() > ends:
                raise SystemExit(f"after {_START_SECONDS:.0f} s, {len(missing)} workers are not there yet")
            time.sleep(0.2)

    def memory(self) -> dict[str, float]:
        """Returns megabytes: what a worker holds in the median, shared pages in full and in part, and what all hold."""
        resident, shares = [], []
        for member in self.living():
            with suppress(OSError):
                text = Path(f"/proc/{member.process.pid}/smaps_rollup").read_text()
                resident.append(_kilobytes("Rss", text))
                shares.append(_kilobytes("Pss", text))
        middle = len(resident) // 2
        return {
            "worker_rss_mb": round(sorted(resident)[middle] / 1000, 1),
            "worker_pss_mb": round(sorted(shares)[middle] / 1000, 1),
            "all_pss_mb": round(sum(shares) / 1000, 1),
        }

    def processor_seconds(self) -> float:
        """Returns what the living workers have used of a processor since they were started."""
        ticks = 0
        for member in self.living():
            with suppress(OSError):
                stat = Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def warnings(self) -> int:
        """Returns how many lines of warnings and errors the workers' logs have."""
        return sum(
            len(re.findall(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) ", member.log.read_text(errors="replace"), re.M))
            for member in self.members
        )


def _kilobytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
