"""How much processor time and memory the control groups of Linux leave to this process.

A container's limit on processor time is a quota: so many microseconds of it in each period, on whichever CPUs.
Neither `os.cpu_count()` nor OpenVINO knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Of a control group, or of the machine, in bytes."""

    used: int
    """By all processes that share it, each page once. Files that were read, and nobody needs any more, do not count."""

    limit: int


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted hierarchy of control groups."""

    root: str
    """The group that is mounted; in a container that may be the container's own."""

    point: Path
    version: int


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Returns how many CPUs' worth of time this process and its group may take; None where there is no limit.

    A group cannot take more than any of those that it is in, so the tightest of them counts.

    Args:
        root: where /proc and /sys are.
    """
    return min((quota for folder in _groups(root, "cpu") if (quota := _quota(folder)) is not None), default=None)


def memory_left(root: Path = Path("/")) -> int | None:
    """Returns how many bytes of memory this process may still take; None where nobody says.

    Args:
        root: where /proc and /sys are.
    """
    return min((max(memory.limit - memory.used, 0) for memory in _memories(root)), default=None)


def memory(root: Path = Path("/")) -> Memory | None:
    """Returns the memory of this process's group, or else of its machine; None where nobody says.

    Of several groups within each other, it is that with the lowest limit.

    Args:
        root: where /proc and /sys are.
    """
    return min(_memories(root), key=lambda memory: memory.limit, default=None)


def _memories(root: Path) -> Iterator[Memory]:
    """Yields the memory of each group with a limit, and that of the machine."""
    for folder in _groups(root, "memory"):
        if (memory := _of_group(folder)) is not None:
            yield memory
    machine = {
        name: int(amount.split()[0]) * 1024
        for name, _, amount in (line.partition(":") for line in _lines(root / "proc/meminfo"))
        if name in ("MemTotal", "MemAvailable")
    }
    if len(machine) == 2:
        yield Memory(used=machine["MemTotal"] - machine["MemAvailable"], limit=machine["MemTotal"])


def _of_group(folder: Path) -> Memory | None:
    """Returns the memory of a group; None where it has no limit."""
    for limit, used, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        numbers = [" ".join(_lines(folder / name)) for name in (limit, used)]
        if all(number.isdecimal() for number in numbers):
            stat = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
            return Memory(used=max(int(numbers[1]) - int(stat.get(kept, 0)), 0), limit=int(numbers[0]))
    return None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yields the folder of each group that may limit something, from the process's own outwards."""
    mounts = list(_mounts(root, controller))
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        version = 1 if controllers else 2
        if controllers and controller not in controllers.split(","):
            continue
        for mount in mounts:
            if mount.version == version:
                yield from _upwards(mount, path)


def _upwards(mount: _Mount, path: str) -> Iterator[Path]:
    inside = path.removeprefix(mount.root.rstrip("/")) if path.startswith(mount.root) else "/"
    folder = mount.point / inside.strip("/")
    # The path can be one of the host, which a container does not see: then its own group is what is mounted.
    while folder != mount.point:
        yield folder
        folder = folder.parent
    yield mount.point


def _mounts(root: Path, controller: str) -> Iterator[_Mount]:
    for line in _lines(root / "proc/self/mountinfo"):
        mounted, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        fields = mounted.split(" ")
        point = root / fields[4].lstrip("/")
        if kind == "cgroup2":
            yield _Mount(fields[3], point, 2)
        elif kind == "cgroup" and controller in options.split(","):
            yield _Mount(fields[3], point, 1)


def _quota(folder: Path) -> float | None:
    """Returns the quota of one group, in CPUs."""
    quota, period = _numbers(folder)
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _numbers(folder: Path) -> tuple[str, str]:
    """Returns the quota (a number; `max` or -1 is none) and its period, in microseconds."""
    both = " ".join(_lines(folder / "cpu.max")) or " ".join(
        line for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us") for line in _lines(folder / name)
    )
    quota, _, period = both.partition(" ")
    return quota, period


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no Linux, no control groups, or not ours to read
        return []
