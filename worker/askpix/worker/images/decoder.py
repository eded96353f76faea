"""Where an image is decoded, and when there is memory for it."""

from __future__ import annotations

from askpix.worker.engine.base import ImageForm
from askpix.worker.images.apart import DecodeProcesses
from askpix.worker.images.decode import MAX_PIXELS, Decoded, decode, memory_for
from askpix.worker.room import Room
from askpix.worker.stopwatch import Stopwatch

MEMORY = 4 * MAX_PIXELS
"""Bytes that all images which are being decoded may need together: as many as a largest PNG."""


class Decoder:
    """Decodes images, used from many threads.

    In the worker itself, which is quickest; or in processes of their own, if there are any, so that a crash of the
    decoder costs one image. What alone would need more than all may have is done so in any case.

    Args:
        processes: how many there are; None where there must be none, not even for the largest images.
        seconds: that an image may take in one of these.
        stopwatch: counts each thread's time, but while it waits.
    """

    def __init__(self, processes: int | None, seconds: float | None, *, stopwatch: Stopwatch) -> None:
        self._room = Room(MEMORY)
        self._stopwatch = stopwatch
        self._all_apart = bool(processes)
        self._processes = (
            None
            if processes is None
            else DecodeProcesses(max(processes, 1), seconds, kept=self._all_apart, stopwatch=stopwatch)
        )

    def decode(self, data: bytes, form: ImageForm) -> Decoded:
        """Returns an image in an engine's form; waits until there is memory for it.

        Raises:
            ImageError: it cannot be decoded.
        """
        memory = memory_for(data, form)
        if self._processes is not None and (self._all_apart or memory > self._room.total):
            return self._processes.decode(data, form)
        memory = min(memory, self._room.total)
        with self._stopwatch.stopped():
            self._room.take(memory)
        try:
            return decode(data, form)
        finally:
            self._room.give_back(memory)

    def close(self) -> None:
        if self._processes is not None:
            self._processes.close()
