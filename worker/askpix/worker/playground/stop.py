"""A way to stop what is being answered, from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stop:
    """Set once; who listens is told, whether it comes before or after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._is_set

    def listen(self, listener: Callable[[], None]) -> None:
        """Has a function called when it is set; at once where it is."""
        with self._lock:
            if not self._is_set:
                self._listeners.append(listener)
                return
        listener()

    def set(self) -> None:
        with self._lock:
            self._is_set = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()
