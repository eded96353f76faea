"""What the system allows a process."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path

_FILES = 16_384
"""More than the connections that are kept: 64 hosts with as many as there are load threads, at the very most."""


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
