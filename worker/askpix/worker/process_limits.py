"""What the system allows a process."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from pathlib import Path

_FILES = 16_384
"""More than the connections that are kept: 64 hosts with as many as there are load threads, at the very most."""


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Of `mallopt`, in glibc."""


def give_memory_back() -> None:
    """Has the C library give large blocks back to the system as soon as they are free, where it is glibc.

    By itself it keeps the more, for each thread, the larger the blocks were: over 1,750 bad images, loaded by 16
    threads, a process grew by 210 MB, and by 80 so. What an item costs did not change (`bench/overhead.py`).
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_THRESHOLD, 4 << 20)
            library.mallopt(_TRIM_THRESHOLD, 8 << 20)


def first_to_go() -> None:
    """Has the system end this process rather than the worker that started it where memory runs out."""
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000")


def allow_many_files() -> None:
    """Has this process open as many files as it needs, where it may; by default it is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
