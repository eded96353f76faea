"""How long each stage of starting takes, said at debug level."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

_HERE = time.monotonic()


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Says how long a block took, unless it failed."""
    started = time.monotonic()
    yield
    _log.debug("start: %s took %.2f s", name, time.monotonic() - started)


def seconds_since_start() -> float:
    """Returns how long this process has lived, its loading of modules included."""
    try:
        # The 22nd field: clock ticks between the machine's start and the process's. The name before may hold spaces.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # no Linux
        return time.monotonic() - _HERE
