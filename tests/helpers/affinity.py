"""On which CPUs a process really runs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def affinities(pid: int) -> set[frozenset[int]]:
    """Returns on which CPUs the threads of a process may run: one set where all keep to the same."""
    masks = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # one that has just ended
            masks.add(frozenset(os.sched_getaffinity(int(thread.name))))
    return masks
