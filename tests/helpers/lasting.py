"""Time that passes because a test is about it."""

from __future__ import annotations

import time


def lasts(seconds: float) -> None:
    """Lets time pass that a test is about: how long a fault lasts, how slow a network is, when something strikes.

    What a test waits for, it waits for by events, or by `wait_until`.
    """
    time.sleep(seconds)
