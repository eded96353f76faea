"""Waiting for more to do at once."""

from __future__ import annotations

import math
import time

_GATHER_SECONDS = 0.02
"""From one step that was not full to the next, while requests keep coming. Without it, where images are loaded on the
same cores, each was decoded by itself as soon as it came, 11 rows in 10 steps, and took the time that loading others
needed: two workers of one core each did 130 captions a second by the demo model, and do 210 with it."""

_COMING_SECONDS = 0.02
"""Between the two latest requests, at the most, and since the latest one, for which another is expected."""


class Gathering:
    """Says for how long a batch that is not full is to wait for more: a step of a few rows costs what one of many does.

    It waits only while requests come so fast that one is likely to join. What is alone, or comes now and then, is
    answered at once.
    """

    def __init__(self) -> None:
        self._began = self._came = -math.inf
        self._apart = math.inf
        """Seconds between the two latest requests."""

    @property
    def seconds(self) -> float:
        """For which to wait for more; 0 where that is over, or none is expected."""
        now = time.monotonic()
        if max(self._apart, now - self._came) > _COMING_SECONDS:
            return 0.0
        return max(self._began + _GATHER_SECONDS - now, 0.0)

    def begin(self) -> None:
        """Says that what there was has had its turn."""
        self._began = time.monotonic()

    def came(self) -> None:
        """Says that a request has come."""
        now = time.monotonic()
        self._apart, self._came = now - self._came, now
