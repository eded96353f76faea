"""The CPUs that a worker computes on, and with how many threads.

A worker's cores are a fact of its process, as its affinity mask is: `take` sets both, and whoever starts
threads asks `available` or `taken`. OpenVINO was seen to compute on the CPUs of the mask and no others, with
as many threads, but not to know of a control group's quota.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askpix.producer.errors import WorkerError
from askpix.worker.cgroup import cpu_quota

_RANGES = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cores:
    """CPUs, and how many threads compute on them."""

    cpus: tuple[int, ...]
    """Their numbers; neighbours on the chip are neighbours here."""

    threads: int

    @property
    def limited(self) -> bool:
        """Whether there are fewer threads than CPUs."""
        return self.threads < len(self.cpus)


def chosen(cpus: str | None = None, threads: int | None = None) -> Cores:
    """Returns the cores that a worker is to take.

    Without anything said they are all that the process may use: the CPUs of its affinity mask, and a thread for
    each of them or for each CPU of its control group's quota, begun ones included. (With a quota of 1.5, one
    thread would leave a third of it; two stand still for a quarter of the time.)

    Args:
        cpus: as `taskset` takes them, such as 0-3,8.
        threads: how many of these to use at a time.

    Raises:
        WorkerError: a CPU is not there, or there are fewer CPUs than threads.
    """
    ours = allowed()
    numbers = ours if cpus is None else _among(ours, cpus)
    quota = cpu_quota()
    most = len(numbers) if quota is None else min(len(numbers), math.ceil(quota))
    if threads is not None and not 1 <= threads <= len(numbers):
        raise WorkerError(f"--threads {threads} does not go with {_count(len(numbers))} ({shown(numbers)})")
    return Cores(cpus=numbers, threads=threads or max(1, most))


def shared_out(cores: Cores, replicas: int, threads: int | None = None) -> list[Cores]:
    """Returns each replica's cores: neighbours, no CPU twice, and all of them used.

    Args:
        threads: of each replica; by default those of `cores` are shared out too.

    Raises:
        WorkerError: there are fewer CPUs than replicas, or a replica gets fewer than its threads.
    """
    if replicas > len(cores.cpus):
        raise WorkerError(f"--replicas {replicas} does not go with {_count(len(cores.cpus))} ({shown(cores.cpus)})")
    shares = []
    for number in range(replicas):
        cpus = cores.cpus[_cut(len(cores.cpus), number, replicas) : _cut(len(cores.cpus), number + 1, replicas)]
        own = _cut(cores.threads, number + 1, replicas) - _cut(cores.threads, number, replicas)
        if threads is not None and threads > len(cpus):
            raise WorkerError(f"--threads {threads} does not go with {_count(len(cpus))} for a replica ({shown(cpus)})")
        shares.append(Cores(cpus=cpus, threads=threads or max(1, min(own, len(cpus)))))
    return shares


_taken: Cores | None = None


def take(cores: Cores) -> None:
    """Makes cores this process's own: it, with all its threads and children to come, runs nowhere else."""
    global _taken
    _taken = cores
    if sys.platform != "linux" or set(cores.cpus) == os.sched_getaffinity(0):
        return
    # Libraries that are loaded by now have threads of their own.
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores.cpus)


def taken() -> Cores:
    """Returns the cores of this process: those that it took, or else all that it may use."""
    return _taken or chosen()


def available() -> int:
    """Returns how many threads of this process can compute at a time."""
    return taken().threads


def allowed() -> tuple[int, ...]:
    """Returns the CPUs that this process may use, threads of one core side by side, cores of one chip too."""
    if sys.platform != "linux":
        return tuple(range(os.cpu_count() or 1))
    return side_by_side(os.sched_getaffinity(0))


def side_by_side(cpus: Iterable[int], system: Path = Path("/sys/devices/system/cpu")) -> tuple[int, ...]:
    """Returns CPUs in the order of their places, so that a run of them shares as much silicon as it can.

    By their numbers, the two threads of a core are often half a machine apart.
    """

    def place(cpu: int) -> tuple[int, int, int]:
        topology = system / f"cpu{cpu}" / "topology"
        try:
            return int((topology / "physical_package_id").read_text()), int((topology / "core_id").read_text()), cpu
        except (OSError, ValueError):  # not every virtual machine tells
            return 0, 0, cpu

    return tuple(sorted(cpus, key=place))


def shown(cpus: tuple[int, ...]) -> str:
    """Returns numbers of CPUs as they are written, such as 0-3,8."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _among(ours: tuple[int, ...], text: str) -> tuple[int, ...]:
    if sys.platform != "linux":
        raise WorkerError("--cpus needs Linux: here, the system alone decides which CPUs a program runs on")
    if not _RANGES.fullmatch(text):
        raise WorkerError(f"--cpus {text[:60]} is no list of CPUs: it is written like 0-3,8")
    wanted: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        wanted.update(range(int(first), int(last or first) + 1))
        if int(last or first) < int(first):
            raise WorkerError(f"--cpus {text[:60]} is no list of CPUs: {part} counts backwards")
    if missing := sorted(wanted - set(ours)):
        raise WorkerError(f"--cpus {text[:60]}: there is no CPU {missing[0]} for this process, but {shown(ours)}")
    return tuple(cpu for cpu in ours if cpu in wanted)


def _cut(count: int, number: int, parts: int) -> int:
    return count * number // parts


def _count(cpus: int) -> str:
    return f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs"
