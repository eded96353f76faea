"""Decoding in processes of their own: no image gets the worker's own memory, time or life in its hands.

Decoders of images are large programs in C, and Pillow's own reading of headers has its costs too: a few kilobytes can
keep them busy for an hour, have them take gigabytes, or crash them. A process can be given limits, which hold for
whatever it is that goes wrong.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from askpix.worker.error_codes import Code
from askpix.worker.image_form import ImageForm
from askpix.worker.images import decode_main
from askpix.worker.images.decode import Decoded
from askpix.worker.item_errors import ImageError
from askpix.worker.memory_room import Room
from askpix.worker.stopwatch import Stopwatch

_ANSWER_BYTES = 4_096
"""Of what a process says of an image, beside its pixels."""

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""What would otherwise take memory that nobody uses."""

_USELESS = (EOFError, OSError, ValueError, KeyError, TypeError, OverflowError)
"""What is raised where a process has ended; or talks nonsense, as one does that is no longer itself."""

_TRIES = 2
"""Of an image whose process was killed."""

_DYING_SECONDS = 10.0
"""That a process which talks no more, or nonsense, may take to end. A machine under load is slow at this, and what the
image did to the process shows in its exit code alone."""


class _EndedError(Exception):
    """A process has ended.

    Args:
        code: its exit code; None where it had to be ended here.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__()
        self.code = code


class DecodeProcesses:
    """Processes that decode an image each at a time. They start when they are needed, the first at once, and end with
    ours, however that ends.

    Args:
        number: of processes, at the most; who comes when all have an image waits.
        seconds: that an image may take.
        room: of memory, that they share.
        stopwatch: counts each thread's time, but while it waits.
    """

    def __init__(self, number: int, seconds: float | None, *, room: Room, stopwatch: Stopwatch) -> None:
        self._seconds = seconds
        self._room = room
        self._stopwatch = stopwatch
        self._number = number
        self._idle: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(number - 1):
            self._idle.put(None)
        self._idle.put(self._new())

    def decode(self, data: bytes, form: ImageForm) -> Decoded:
        """Returns an image in an engine's form; see `askpix.worker.images.decode.decode`.

        Raises:
            ImageError: as `decode` does; and `decoder_died`, `decode_timeout` or `out_of_memory`.
        """
        code: int | None = None
        for _ in range(_TRIES):
            try:
                return self._tried(data, form)
            except _EndedError as error:
                code = error.code
                # Whoever ended it may not have meant this image; nor has it taken what others took.
                if code != -signal.SIGKILL:
                    break
        raise self._problem(code)

    def _tried(self, data: bytes, form: ImageForm) -> Decoded:
        with self._stopwatch.stopped():
            process = self._idle.get()
        try:
            process = process or self._new()
            return self._decoded(process, data, form)
        except _USELESS as error:
            if process is None:
                raise ImageError(Code.DECODER_DIED, f"no decoder could be started: {error}", retryable=True) from None
            raise _EndedError(process.close(_DYING_SECONDS)) from None
        except ImageError:
            raise
        except BaseException:
            # An answer that nobody has read would be taken for that to the next image.
            if process is not None:
                process.close()
            raise
        finally:
            self._idle.put(None if process is None or process.over() else process)

    def close(self) -> None:
        """Ends those that wait for an image."""
        with suppress(queue.Empty):
            for _ in range(self._number):
                if (process := self._idle.get_nowait()) is not None:
                    process.close()

    def _new(self) -> _Process:
        return _Process(self._seconds or 0, self._room.total)

    def _decoded(self, process: _Process, data: bytes, form: ImageForm) -> Decoded:
        said = process.ask(data, form)
        if "memory" not in said:
            return process.decoded(said)
        memory = int(said["memory"])
        if not 0 < memory <= self._room.total:
            raise ValueError("it asks for memory that no image may have")
        with self._taken(memory):
            return process.decoded(process.go_on())

    @contextmanager
    def _taken(self, memory: int) -> Iterator[None]:
        with self._stopwatch.stopped():
            self._room.take(memory)
        try:
            yield
        finally:
            self._room.give_back(memory)

    def _problem(self, code: int | None) -> ImageError:
        if code is None:
            return ImageError(Code.DECODER_DIED, "the decoder came to nothing with the image, and had to be ended")
        if code in (-signal.SIGALRM, -signal.SIGPROF):
            return ImageError(Code.DECODE_TIMEOUT, "decoding the image takes far longer than its size calls for")
        if code == -signal.SIGKILL:
            return ImageError(
                Code.OUT_OF_MEMORY, "the system ended the decoder, for memory most likely", retryable=True
            )
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ImageError(Code.DECODER_DIED, f"the decoder died of the image ({how})")


class _Process:
    """One of them, as we see it. What it says is read as data: who has taken a decoder over gets no further by it.

    `ask`, `go_on` and `decoded` raise one of _USELESS where it is of no more use.
    """

    def __init__(self, seconds: float, memory: int) -> None:
        self._last = False
        self._pipe, theirs = Pipe()
        self._pixels = _shared_file()
        handles = [theirs.fileno(), self._pixels]
        command = [sys.executable, "-P", "-m", decode_main.__name__, *map(str, (*handles, seconds, memory))]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **_ENVIRONMENT},
                # Whoever signals a whole group means the worker, with which this ends.
                start_new_session=True,
            )
        finally:
            theirs.close()

    def ask(self, data: bytes, form: ImageForm) -> dict[str, Any]:
        """Returns what it says of an image: what it has come to, or the memory that it needs to go on."""
        self._pipe.send_bytes(json.dumps((form.width, form.height, form.resample)).encode())
        self._pipe.send_bytes(data)
        return self._said()

    def go_on(self) -> dict[str, Any]:
        self._pipe.send_bytes(b"go on")
        return self._said()

    def decoded(self, said: dict[str, Any]) -> Decoded:
        """Returns an image, of which it has said what it has come to."""
        if "code" in said:
            raise ImageError(str(said["code"]), str(said["message"]), retryable=bool(said["retryable"]))
        rows, columns = map(int, said["shape"])
        # Not mapped into memory: it could be cut off while it is read.
        pixels = np.frombuffer(os.pread(self._pixels, rows * columns * 3, 0), np.uint8).reshape(rows, columns, 3)
        return Decoded(pixels=pixels, width=int(said["width"]), height=int(said["height"]))

    def over(self) -> bool:
        """Returns whether it takes no more images; ends it then."""
        if self._last:
            self.close()
        return self._last

    def close(self, patience: float = 1.0) -> int | None:
        """Ends the process where it does not end within some seconds; returns its exit code, None where it did not."""
        self._last = True
        if not self._pipe.closed:
            self._pipe.close()
            os.close(self._pixels)
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def _said(self) -> dict[str, Any]:
        said = json.loads(self._pipe.recv_bytes(_ANSWER_BYTES))
        if not isinstance(said, dict):
            raise TypeError("it says nothing that has a name")
        self._last = bool(said.get("last"))
        return said


def _shared_file() -> int:
    """Returns a file without a name. By a pipe, pixels would come in many small pieces."""
    if sys.platform == "linux":
        return os.memfd_create("askpix-pixels")
    with TemporaryFile() as file:
        return os.dup(file.fileno())
