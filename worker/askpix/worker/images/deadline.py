"""Time limits of transfers, which hold whatever a transfer waits for: headers, a redirect, a slow body."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from askpix.worker.error_codes import Code
from askpix.worker.item_errors import ImageError

_LOOK_SECONDS = 0.05


class Deadline:
    """The time limit of one transfer, and its sockets, which are shut down when it is over.

    A socket's timeout is for a single read, and a server that sends a byte a second never meets one.

    Args:
        seconds: that all of it may take.
        first: that may pass before the answer begins, where they are fewer.
    """

    def __init__(self, seconds: float, first: float | None = None) -> None:
        self._seconds = seconds
        self._first = first
        self._begun = time.monotonic()
        self._due = self._begun + min(seconds, first or seconds)
        self._lock = threading.Lock()
        """So that no socket is closed, and its number given to another, while it is shut down."""
        self._sockets: list[socket.socket] = []
        self._copies: list[socket.socket] = []
        self.over = False

    def answered(self) -> None:
        """The answer has begun: from now on, all of the time counts."""
        self._first = None
        self._due = self._begun + self._seconds

    def seconds(self) -> float:
        """Returns the seconds since it began, without those that it stood still."""
        return time.monotonic() - self._begun

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stands still meanwhile."""
        due, stopped = self._due, time.monotonic()
        self._due = math.inf
        try:
            yield
        finally:
            waited = time.monotonic() - stopped
            self._begun += waited
            self._due = due + waited

    def problem(self) -> ImageError:
        """Returns what a transfer that was not over in time is to say."""
        what = "was not there after" if self._first is None else "was not answered within"
        seconds = self._seconds if self._first is None else min(self._first, self._seconds)
        return ImageError(Code.TIMEOUT, f"the image {what} {seconds:.0f} s", retryable=True)

    def add(self, opened: socket.socket, *, copied: bool = False) -> socket.socket:
        """Adds a socket; a copy of it stays good when TLS takes the socket itself over. Returns what was added.

        Raises:
            TimeoutError: it comes too late.
        """
        if copied:
            opened = opened.dup()
            self._copies.append(opened)
        with self._lock:
            self._sockets.append(opened)
            over = self.over
        if over:
            raise TimeoutError("the transfer's time is up")
        return opened

    def forget(self, sockets: Iterable[socket.socket]) -> None:
        """Takes sockets out that are another transfer's from now on."""
        with self._lock:
            self._sockets = [kept for kept in self._sockets if all(kept is not each for each in sockets)]

    def look(self, now: float) -> None:
        """Ends the transfer where its time is up."""
        if self.over or now < self._due:
            return
        with self._lock:
            self.over = True
            for opened in self._sockets:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self._sockets.clear()
        for copy in self._copies:
            copy.close()


class _Watcher:
    """A thread that looks at all deadlines that run. (A timer for each took a quarter of what a transfer takes.)"""

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._running.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="askpix-deadlines", daemon=True)
                self._thread.start()
            elif len(self._running) == 1:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._running.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
                running = list(self._running)
            for deadline in running:
                deadline.look(time.monotonic())
            del running
            time.sleep(_LOOK_SECONDS)


_watcher = _Watcher()
_here = threading.local()


@contextmanager
def deadline(seconds: float, first: float | None = None) -> Iterator[Deadline]:
    """Ends this thread's transfer when its time is up; see Deadline.

    Raises:
        ImageError: `timeout`: it was not over in time.
    """
    limit = Deadline(seconds, first)
    _here.deadline = limit
    _watcher.add(limit)
    try:
        yield limit
    except Exception:
        # What the shutting down of its sockets raises is told apart here.
        if limit.over:
            raise limit.problem() from None
        raise
    finally:
        _watcher.remove(limit)
        _here.deadline = None
        limit.close()
    if limit.over:
        raise limit.problem()


class Watched:
    """The sockets of a connection, which are under the deadline of the transfer that has it.

    Connections are kept, and one may be another transfer's while the first is not over yet: it may follow a redirect.
    """

    def __init__(self) -> None:
        self._limit: Deadline | None = None
        self._sockets: list[socket.socket] = []

    def take(self) -> None:
        """Puts the connection under the deadline of this thread, if it has one, and under no other any more."""
        limit: Deadline | None = getattr(_here, "deadline", None)
        if self._limit is not None and self._limit is not limit:
            self._limit.forget(self._sockets)
            self._sockets = []
        self._limit = limit

    def add(self, opened: socket.socket | None, *, copied: bool = False) -> None:
        """Adds a socket of it; see Deadline.add."""
        self.take()
        if self._limit is not None and opened is not None:
            self._sockets.append(self._limit.add(opened, copied=copied))


def watched(opened: socket.socket | None) -> None:
    """Puts a socket under the deadline of this thread, where it has one.

    Raises:
        TimeoutError: the deadline is over.
    """
    Watched().add(opened)
