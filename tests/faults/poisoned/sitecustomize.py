"""Makes a process that finds this on its PYTHONPATH fail over images that end with certain bytes, as a bug in a native
library does. Python loads it by its name, before anything else."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from askpix.worker.images import decode as module

_real: Callable[..., Any] = module.decode


def _hang() -> None:
    while True:
        time.sleep(60)


def _exit() -> None:
    raise SystemExit("from within an item")


def _interrupt() -> None:
    raise KeyboardInterrupt


_ENDS: dict[bytes, Callable[[], object]] = {
    b"#crash": lambda: ctypes.string_at(0),
    b"#killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"#hang": _hang,
    b"#memory": lambda: bytearray(1 << 50),
    b"#exit": _exit,
    b"#interrupt": _interrupt,
}


def _decode(data: bytes, *arguments: Any) -> Any:
    for mark, end in _ENDS.items():
        if data.endswith(mark):
            end()
    return _real(data, *arguments)


module.decode = _decode
