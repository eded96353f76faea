"""Writes results of parts: a part is done, for everybody, when its result is there.

It is there at once and whole, by `JobFolder.write_result`, and counted after that, by `producer/counting.py`.
"""

from __future__ import annotations

import logging
import random
import threading

from askpix.producer.errors import StorageError
from askpix.producer.job_folder import JobFolder
from askpix.producer.rows import Row
from askpix.worker.instruments import Histogram
from askpix.worker.part_work import PartWork

_log = logging.getLogger(__name__)

_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 16.0)


class ResultWriter:
    """Writes the results of one worker's parts, from several threads.

    Args:
        stopping: set when the worker ends: nothing is tried again then.
        seconds: how long writing takes, tries included.
    """

    def __init__(self, stopping: threading.Event, seconds: Histogram) -> None:
        self._stopping = stopping
        self._seconds = seconds
        self._unwritable: set[str] = set()
        """Folders that took no result when one was last written."""

    def check(self, folder: JobFolder) -> None:
        """Raises StorageError where a folder took no result, and takes none yet: nothing is answered for it then."""
        if folder.uri in self._unwritable:
            folder.check_writable()

    def write(self, work: PartWork, rows: list[Row]) -> None:
        """Writes a result; where the storage fails for a passing reason, again, for half a minute.

        Raises:
            StorageError: it cannot be written.
        """
        with self._seconds.timing():
            self._write(work, rows)

    def _write(self, work: PartWork, rows: list[Row]) -> None:
        for seconds in (*_AGAIN_SECONDS, None):
            try:
                work.folder.write_result(work.part, rows, work.round)
            except StorageError as error:
                if seconds is None or not error.passing:
                    self._unwritable.add(work.folder.uri)
                    raise
                _log.warning("%s; trying again", error)
                # Not when all others do.
                if self._stopping.wait(random.uniform(0.5, 1) * seconds):
                    raise
                work.telling.live()
            else:
                self._unwritable.discard(work.folder.uri)
                return
