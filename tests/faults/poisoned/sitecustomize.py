"""Makes a process that finds this on its PYTHONPATH fail over images that end with certain bytes, as a bug in a native
library does, and over job folders that end with the name of an error. Python loads it by its name, before anything
else."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from askpix.producer.job_folder import JobFolder
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.images import decode as module

_real: Callable[..., Any] = module.decode
_real_seen = BlipEngine._seen
_real_read_input = JobFolder.read_input
_real_open = BlipEngine.open_image
_marked = threading.local()


def _hang() -> None:
    while True:
        time.sleep(60)


def _spin() -> None:
    while True:
        pass


def _exit() -> None:
    raise SystemExit("from within an item")


def _die_slowly() -> None:
    # As where a system has much to clear away, or little time: what was open is closed long before the end.
    os.closerange(3, 1 << 20)
    time.sleep(2)
    os._exit(1)


def _linger() -> None:
    os.closerange(3, 1 << 20)
    _hang()


def _interrupt() -> None:
    raise KeyboardInterrupt


_ENDS: dict[bytes, Callable[[], object]] = {
    b"#crash": lambda: ctypes.string_at(0),
    b"#killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"#hang": _hang,
    b"#spin": _spin,
    b"#memory": lambda: bytearray(1 << 50),
    b"#exit": _exit,
    b"#slow": _die_slowly,
    b"#linger": _linger,
    b"#interrupt": _interrupt,
}
_ENDS_ENGINE: dict[bytes, Callable[[], object]] = {b"#stuck": _hang, b"#dead": _exit}


def _decode(data: bytes, *arguments: Any) -> Any:
    for mark, end in _ENDS.items():
        if data.endswith(mark):
            end()
    _marked.end = next((end for mark, end in _ENDS_ENGINE.items() if data.endswith(mark)), None)
    return _real(data, *arguments)


def _open_image(self: BlipEngine, pixels: Any) -> Any:
    image = _real_open(self, pixels)
    image.end = getattr(_marked, "end", None)  # type: ignore[attr-defined]
    return image


def _seen(self: BlipEngine, job: Any) -> None:
    if job.image.end is not None:
        job.image.end()
    _real_seen(self, job)


def _read_input(self: JobFolder, *arguments: Any) -> Any:
    for error in (MemoryError, SystemExit, KeyboardInterrupt):
        if self.uri.endswith(error.__name__):
            raise error
    return _real_read_input(self, *arguments)


module.decode = _decode
JobFolder.read_input = _read_input  # type: ignore[method-assign]
BlipEngine.open_image = _open_image  # type: ignore[method-assign]
BlipEngine._seen = _seen  # type: ignore[method-assign]
