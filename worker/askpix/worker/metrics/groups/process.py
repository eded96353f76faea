"""Memory and processor time of this process and of those that decode for it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from askpix.worker.cgroup import memory
from askpix.worker.instruments import Labels
from askpix.worker.metrics.families import Families, Values
from askpix.worker.metrics.known import Known

_DECODER = b"askpix.worker.images.decode_main"
_SELF = Path("/proc/self")
_TICKS = os.sysconf("SC_CLK_TCK")


def add(families: Families, _: Known) -> None:
    add_process(families)


def add_process(families: Families) -> None:
    """Adds what the system says of this process; what it does not say is left out."""
    own: dict[Labels, float] = {("worker",): float(_own_memory(_SELF))}
    times = os.times()
    # Those that have ended and were waited for are in the latter two.
    seconds: dict[Labels, float] = {
        ("worker",): times.user + times.system,
        ("children",): times.children_user + times.children_system,
    }
    for child in _children():
        who = ("decoders",) if _DECODER in _read(child / "cmdline") else ("others",)
        own[who] = own.get(who, 0.0) + _own_memory(child)
        seconds["children",] += _seconds(child)
    known: Values = {who: amount for who, amount in own.items() if amount}
    families.gauge(
        "askpix_resident_memory_bytes",
        "Memory of the worker's process, and of its decoders together, without pages of files and shared ones.",
        ["process"],
        known,
    )
    shared = memory()
    families.gauge(
        "askpix_memory_used_bytes",
        "Memory that all processes of the worker's control group, or else of its machine, take.",
        [],
        {} if shared is None else {(): float(shared.used)},
    )
    families.gauge(
        "askpix_memory_limit_bytes",
        "Memory that the worker's control group, or else its machine, has in all.",
        [],
        {} if shared is None else {(): float(shared.limit)},
    )
    families.counter(
        "askpix_cpu_seconds", "Processor time of the worker's process, and of its children.", ["process"], seconds
    )


def _children() -> Iterator[Path]:
    own = str(os.getpid())
    # Faster than looking at all processes, where the system has it.
    listed = b" ".join(_read(task / "children") for task in _folders(_SELF / "task"))
    for pid in listed.split():
        folder = Path("/proc") / pid.decode()
        if _fields(folder)[1:2] == [own]:
            yield folder


def _folders(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def _own_memory(folder: Path) -> int:
    """Returns what a process has in memory for itself: pages of files, as of weights, several may have, each once."""
    fields = _read(folder / "statm").split()
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize() if len(fields) > 2 else 0


def _seconds(folder: Path) -> float:
    fields = _fields(folder)
    return (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 12 else 0.0


def _fields(folder: Path) -> list[str]:
    """Returns what is behind a process's name in its `stat`: its state, its parent, and so on."""
    return _read(folder / "stat").rpartition(b") ")[2].decode().split()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile, or there is no such thing here
        return b""
