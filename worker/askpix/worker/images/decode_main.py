"""The program of a process that decodes for a worker; `askpix.worker.images.apart` starts it and talks with it."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin

from askpix.worker.image_form import ImageForm
from askpix.worker.images.decode import TOO_MUCH_MEMORY, decode
from askpix.worker.images.memory import memory_for
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.item_errors import ImageError
from askpix.worker.process_limits import first_to_go, give_memory_back

PROCESSOR_SECONDS = 20.0
"""That an image may take of a processor. The largest take two to four."""

SLACK = 40 << 20
"""Bytes that a process may need for an image beside what its size calls for."""

_SMALL = 8 << 20
"""Bytes that an image may need without asking."""

_GROWN = 16 << 20
"""Bytes that a process may keep between two images; with more, another takes its place. They are missing from the slack
of the next, of which usual images take up to 20 MB."""

_OUT_OF_MEMORY: dict[str, Any] = {"code": "out_of_memory", "message": TOO_MUCH_MEMORY, "retryable": True}


def main() -> None:
    """Decodes what comes, until there is nobody left who sends it."""
    handle, pixels, seconds, most = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    pipe = Connection(handle)
    # Whoever ends the worker by these, and all that is around it, has this end with it.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    first_to_go()
    give_memory_back()
    quiet_decoders()
    # One for each core would take their stacks out of the memory that an image may have.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    base = _data_bytes()
    with suppress(EOFError, OSError):
        while True:
            form = ImageForm(**dict(zip(("width", "height", "resample"), json.loads(pipe.recv_bytes()), strict=True)))
            data = pipe.recv_bytes()
            # Readers and decoders copy the file.
            slack = SLACK + 2 * len(data)
            try:
                with _limits(seconds, base, slack):
                    memory = memory_for(data, form, most)
                if memory > _SMALL:
                    _say(pipe, {"memory": memory})
                    pipe.recv_bytes()
                with _limits(seconds, base, memory + slack):
                    said = _come_to(data, form, pixels)
            except ImageError as error:
                said = _problem(error)
            except MemoryError:
                # Only here is there memory again, even for the smallest of things.
                said = _OUT_OF_MEMORY
            del data
            _say(pipe, {**said, "last": _data_bytes() - base > _GROWN})


def _come_to(data: bytes, form: ImageForm, pixels: int) -> dict[str, Any]:
    """Returns what is to be said of an image, whose pixels are written to a file."""
    try:
        decoded = decode(data, form)
    except ImageError as error:
        return _problem(error)
    _write(pixels, np.ascontiguousarray(decoded.pixels).reshape(-1).data)
    return {"shape": decoded.pixels.shape[:2], "width": decoded.width, "height": decoded.height}


def _problem(error: ImageError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "retryable": error.retryable}


def _write(file: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], written)


def _say(pipe: Connection, what: dict[str, Any]) -> None:
    pipe.send_bytes(json.dumps(what).encode())


@contextmanager
def _limits(seconds: float, base: int, memory: int) -> Iterator[None]:
    """Has the system end this process when its time is up, and refuse it more memory than that."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if base:
        resource.setrlimit(resource.RLIMIT_DATA, (base + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    unlimited = hard, hard
    try:
        yield
    finally:
        if base:
            resource.setrlimit(resource.RLIMIT_DATA, unlimited)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _data_bytes() -> int:
    """Returns how much memory this process has for itself; 0 where that is not known, as elsewhere than on Linux."""
    with suppress(OSError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    return 0


if __name__ == "__main__":
    main()
