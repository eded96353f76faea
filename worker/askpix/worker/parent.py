"""What a process does when the one that started it is gone, however that ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

_LAST_RESORT_SECONDS = 8.0


def end_with_parent(before: Callable[[], None] | None = None) -> None:
    """Makes this process end as by SIGTERM when its parent has ended, and at once if that takes too long.

    The parent holds the other end of our standard input, which its end closes, even by SIGKILL.

    Args:
        before: what to do first.
    """

    def watch() -> None:
        # Not sys.stdin: its lock, held for ever by this thread, would be a fatal error at exit.
        while os.read(0, 1):
            pass
        if before is not None:
            before()
        last_resort = threading.Timer(_LAST_RESORT_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="askpix-parent", daemon=True).start()
