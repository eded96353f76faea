"""Whether a worker's storage roots answer, looked at now and then however often somebody wants to know."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from askpix.producer.errors import StorageError
from askpix.worker.access import Place

_FRESH_SECONDS = 15.0
_LATE_SECONDS = 60.0
"""A look that takes longer has not come to its end: the storage hangs."""


class Roots:
    """Looks at storage roots in a thread of its own, since a storage that hangs must hang nobody else."""

    def __init__(self, roots: Sequence[Place]) -> None:
        self._roots = roots
        self._problem = ""
        self._looked_at = float("-inf")
        self._begun: float | None = None
        self._lock = threading.Lock()
        self._first = threading.Event()

    def problem(self, patience: float = _LATE_SECONDS) -> str:
        """Returns what is wrong with the roots as of a moment ago; nothing where they are well.

        Args:
            patience: seconds to wait for the first look.
        """
        now = time.monotonic()
        with self._lock:
            if self._begun is None and now - self._looked_at > _FRESH_SECONDS:
                self._begun = now
                threading.Thread(target=self._look, name="askpix-roots", daemon=True).start()
            begun = self._begun
        answered = self._first.wait(patience)
        if begun is not None and now - begun > _LATE_SECONDS:
            return f"it has not answered for {now - begun:.0f} seconds"
        return self._problem if answered else "it has not answered yet"

    def _look(self) -> None:
        try:
            self._problem = "; ".join(filter(None, map(_problem_of, self._roots)))
        except Exception as error:  # noqa: BLE001 - said to whoever asks
            self._problem = f"{type(error).__name__}: {error}"
        with self._lock:
            self._begun, self._looked_at = None, time.monotonic()
        self._first.set()


def _problem_of(root: Place) -> str:
    if not isinstance(root, Path):
        # Who keeps no job in S3 does not wait for its client to be imported.
        from askpix.producer.s3 import check_bucket

        try:
            check_bucket(root)
        except StorageError as error:
            return str(error)
        return ""
    # A folder that is not there yet is made with the first job in it.
    folder = next(one for one in (root, *root.parents) if one.exists())
    if not folder.is_dir():
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} may not be written"
