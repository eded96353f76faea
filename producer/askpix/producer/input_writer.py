"""Writes the input files of a job while its list is still being read."""

from __future__ import annotations

import time
from queue import SimpleQueue
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from askpix.producer.job_folder import JobFolder
from askpix.producer.parquet import ItemColumns

_THREADS = 16
"""Parts that are written at once: a write to S3 takes 20 to 50 ms, a flushed file a few."""

_PARTS = 48
"""Held in memory at most: while 16 are written, the next block of 32 (of 256 items each) can be completed."""

_CHARACTERS = 64_000_000
"""Held in memory at most, one part excepted: data URIs are long."""

_END_SECONDS = 2.0
"""That an end with an error waits for writes under way."""


class InputWriter:
    """Encodes and writes parts in threads. The first error stops everything: `put` or the end raises it.

    After an error or Ctrl-C, writes that hang are left behind: the threads do not keep the process alive.
    """

    def __init__(self, folder: JobFolder, job_id: str) -> None:
        self._folder = folder
        self._job_id = job_id
        self._queue: SimpleQueue[tuple[int, ItemColumns, int] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._change = Condition()
        self._parts = self._characters = 0
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()
        else:
            self._abandon(error)

    def put(self, part: int, columns: ItemColumns) -> None:
        """Takes a part, when there is room for it.

        Raises:
            StorageError: a part before could not be written.
        """
        size = columns.characters()
        with self._change:
            self._change.wait_for(lambda: self._has_room(size) or self._error)
            if self._error is not None:
                raise self._error
            self._parts += 1
            self._characters += size
            if len(self._threads) < min(self._parts, _THREADS):
                self._threads.append(Thread(target=self._work, name="input-writer", daemon=True))
                self._threads[-1].start()
        self._queue.put((part, columns, size))

    def _has_room(self, size: int) -> bool:
        return not self._parts or (self._parts < _PARTS and self._characters + size <= _CHARACTERS)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            part, columns, size = task
            try:
                if self._error is None:
                    self._folder.write_input(part, columns, self._job_id)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that reads the list
                self._error = self._error or error
            with self._change:
                self._parts -= 1
                self._characters -= size
                self._change.notify_all()

    def _finish(self) -> None:
        """Waits until all that was put is written.

        Raises:
            StorageError: a part could not be written.
        """
        try:
            with self._change:
                self._change.wait_for(lambda: not self._parts or self._error)
        except BaseException as interrupt:
            self._abandon(interrupt)
            raise
        if self._error is not None:
            self._abandon(self._error)
            raise self._error
        self._end_threads()

    def _abandon(self, error: BaseException) -> None:
        """Has nothing more written; what is being written has a little time."""
        self._error = self._error or error
        self._end_threads(time.monotonic() + _END_SECONDS)

    def _end_threads(self, until: float | None = None) -> None:
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
