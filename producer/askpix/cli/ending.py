"""Ending on a signal as on Ctrl-C: with what was begun undone."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def end_cleanly_on_signals() -> None:
    """Makes SIGTERM and SIGHUP (a closed terminal) end the process as an error does, and not at once."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, end)
