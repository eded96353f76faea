"""Decoding in processes of their own: what a decoder does to its process then costs one image, and no worker."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import resource
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from askpix.worker.engine.base import ImageForm
from askpix.worker.errors import ImageError
from askpix.worker.images.decode import Decoded, decode
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.out_of_memory import first_to_go
from askpix.worker.stopwatch import Stopwatch

MEMORY = 2 << 30
"""More bytes than an image of the most pixels needs in any format."""

_ANSWER_BYTES = 4_096
"""Of what a process says of an image, before its pixels."""


class DecodeProcesses:
    """Processes that decode an image each at a time. They start when they are needed, and end with ours.

    Args:
        number: of processes; who comes when all have an image waits.
        seconds: that an image may take.
        memory: bytes that a process may need for it, beside what it has anyway.
        kept: whether they wait for a next image.
        stopwatch: counts each thread's time, but while it waits.
    """

    def __init__(
        self, number: int, seconds: float | None, *, memory: int = MEMORY, kept: bool = True, stopwatch: Stopwatch
    ) -> None:
        self._seconds = seconds
        self._memory = memory
        self._stopwatch = stopwatch
        self._kept = kept
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        self._number = number
        for _ in range(number):
            self._idle.put(None)

    def decode(self, data: bytes, form: ImageForm) -> Decoded:
        """Returns an image in an engine's form; see `askpix.worker.images.decode.decode`.

        Raises:
            ImageError: as `decode` does; and `decoder_died`, `decode_timeout` or `out_of_memory`.
        """
        with self._stopwatch.stopped():
            process = self._idle.get()
        try:
            process = process or _Process(self._seconds, self._memory)
            return process.decode(data, form)
        except _EndedError as error:
            process = None
            raise self._problem(error.code) from None
        finally:
            if process is not None and not self._kept:
                process.close()
                process = None
            self._idle.put(process)

    def close(self) -> None:
        """Ends those that wait for an image."""
        with suppress(queue.Empty):
            for _ in range(self._number):
                if (process := self._idle.get_nowait()) is not None:
                    process.close()

    def _problem(self, code: int) -> ImageError:
        if code == -signal.SIGALRM:
            return ImageError("decode_timeout", f"the image was not decoded after {self._seconds:g} s")
        if code == -signal.SIGKILL:
            return ImageError("out_of_memory", "the system ended the decoder, for memory most likely", retryable=True)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ImageError("decoder_died", f"the decoder died of the image ({how})")


class _EndedError(Exception):
    """The process has ended, with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class _Process:
    """One of them, as we see it."""

    def __init__(self, seconds: float | None, memory: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, seconds, memory), name="askpix-decode", daemon=True
        )
        self._process.start()
        theirs.close()

    def decode(self, data: bytes, form: ImageForm) -> Decoded:
        try:
            self._pipe.send_bytes(json.dumps((form.width, form.height, form.resample)).encode())
            self._pipe.send_bytes(data)
            # Read as data: who has taken the decoder over must not get any further by what it says.
            said = json.loads(self._pipe.recv_bytes(_ANSWER_BYTES))
            if "code" in said:
                raise ImageError(str(said["code"]), str(said["message"]), retryable=bool(said["retryable"]))
            rows, columns = map(int, said["shape"])
            pixels = np.frombuffer(self._pipe.recv_bytes(rows * columns * 3), np.uint8).reshape(rows, columns, 3)
            return Decoded(pixels=pixels, width=int(said["width"]), height=int(said["height"]))
        except (EOFError, OSError, ValueError, KeyError, TypeError):
            raise _EndedError(self.close()) from None

    def close(self) -> int:
        """Ends the process where it has not ended; returns its exit code."""
        self._pipe.close()
        self._process.join(1)
        self._process.kill()
        self._process.join()
        return self._process.exitcode or 0


def _serve(pipe: Connection, seconds: float | None, memory: int) -> None:
    """Decodes what comes, until there is nobody left who sends it. The system's own timer ends what takes too long."""
    # Whoever signals a whole group means the worker, which ends this.
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    first_to_go()
    quiet_decoders()
    _limit_memory(memory)
    with suppress(EOFError, OSError):
        while True:
            form = ImageForm(**dict(zip(("width", "height", "resample"), json.loads(pipe.recv_bytes()), strict=True)))
            data = pipe.recv_bytes()
            signal.setitimer(signal.ITIMER_REAL, seconds or 0)
            try:
                decoded = decode(data, form)
            except ImageError as error:
                said = {"code": error.code, "message": error.message, "retryable": error.retryable}
                pipe.send_bytes(json.dumps(said).encode())
            else:
                rows, columns, _ = decoded.pixels.shape
                said = {"shape": (rows, columns), "width": decoded.width, "height": decoded.height}
                pipe.send_bytes(json.dumps(said).encode())
                pipe.send_bytes(decoded.pixels.tobytes())
            signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(memory: int) -> None:
    """Has an allocation fail that would take too much, rather than take it from others."""
    with suppress(OSError, ValueError):  # no Linux
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
