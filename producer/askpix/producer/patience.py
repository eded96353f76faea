"""How long whoever needs the broker tries again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from askpix.producer.errors import BrokerError, BrokerTrouble

LOST_SECONDS = 60.0
"""In which a broker that is lost, or read-only, is back in most cases: it was restarted, or another took over."""

_FIRST_SECONDS, _LONGEST_SECONDS, _DOUBLED = 0.25, 8.0, 5


class Patience:
    """The tries of one thing that needs the broker.

    Where the broker is full they go on without end: workers make room. Where it is lost, for LOST_SECONDS.

    Args:
        told: is told once, in words for a person, that there is something to wait for.
    """

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        self._told = told
        self._tries = 0
        self._since = 0.0

    def wait(self, error: BrokerError) -> None:
        """Waits before the next try; longer each time, and not as long as others do.

        Raises:
            BrokerError: the one that is given, where another try is of no use or was made for long enough.
        """
        now = time.monotonic()
        if self._tries == 0:
            self._since = now
        if error.trouble is BrokerTrouble.OTHER:
            raise error
        if error.trouble is not BrokerTrouble.FULL and now - self._since > LOST_SECONDS:
            raise error
        if self._tries == 0 and self._told is not None:
            self._told(f"{error}; trying again")
        time.sleep(random.uniform(0.5, 1) * min(_FIRST_SECONDS * 2 ** min(self._tries, _DOUBLED), _LONGEST_SECONDS))
        self._tries += 1

    def reset(self) -> None:
        """Says that a try went well."""
        self._tries = 0
