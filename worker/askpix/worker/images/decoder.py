"""Where an image is decoded, and when there is memory for it."""

from __future__ import annotations

from askpix.worker.image_form import ImageForm
from askpix.worker.images.apart import DecodeProcesses
from askpix.worker.images.decode import Decoded, decode
from askpix.worker.images.memory import MEGABYTES, memory_for
from askpix.worker.memory_room import Room
from askpix.worker.stopwatch import Stopwatch


class Decoder:
    """Decodes images, used from many threads.

    Args:
        processes: in which it is done; with 0 it is done here.
        seconds: that an image may take in one of these.
        stopwatch: counts each thread's time, but while it waits.
        megabytes: that all images which are being decoded may take.
    """

    def __init__(
        self, processes: int, seconds: float | None, *, stopwatch: Stopwatch, megabytes: int = MEGABYTES
    ) -> None:
        self._room = Room(megabytes * 1_000_000)
        self._stopwatch = stopwatch
        self._processes = (
            DecodeProcesses(processes, seconds, room=self._room, stopwatch=stopwatch) if processes else None
        )

    def decode(self, data: bytes, form: ImageForm) -> Decoded:
        """Returns an image in an engine's form; waits until there is memory for it.

        Raises:
            ImageError: it cannot be decoded.
        """
        if self._processes is not None:
            return self._processes.decode(data, form)
        memory = memory_for(data, form, self._room.total)
        with self._stopwatch.stopped():
            self._room.take(memory)
        try:
            return decode(data, form)
        finally:
            self._room.give_back(memory)

    def close(self) -> None:
        if self._processes is not None:
            self._processes.close()
