"""Several worker processes under one parent, which keeps their number and passes signals on.

The first is started alone: what is wrong with the options it says once, and what it compiles the others load
from the cache. A replica that dies is started again, and so is one that ended by a signal of its own: there
are as many as were asked for until the parent is told to end. When dying becomes a habit, or a replica says
that it cannot be started like that, all end, and the exit code tells. One that had worked for a while is no
habit: an image may have ended it, and is found.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

from askpix.worker.instruments import Counter
from askpix.worker.logs.about import about

_log = logging.getLogger(__name__)

WRONG_USAGE = 2
"""The exit code of a worker that cannot be started as it was asked to."""

READY_OPTION = "--replica"

_WORKED_SECONDS = 10.0
"""A part that has ended a worker is on its queue again after more than that."""

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


@dataclass
class Restarts:
    """Decides whether a replica that has ended is started again."""

    most: int = 5
    within: float = 600.0
    """Seconds in which that many ends, of all replicas together, are too many."""

    delay: float = 1.0
    _ends: list[float] = field(default_factory=list)

    def after(self, code: int, now: float, *, worked: bool = False) -> float | None:
        """Returns in how many seconds to start it again; None where that is of no use.

        Args:
            code: its exit code.
            now: seconds of any clock that does not go back.
            worked: whether it had got on with its work before.
        """
        self._ends = [] if worked else [end for end in self._ends if now - end < self.within] + [now]
        return None if code == WRONG_USAGE or len(self._ends) >= self.most else self.delay


@dataclass(frozen=True, slots=True)
class _Ready:
    pass


@dataclass(frozen=True, slots=True)
class _Ended:
    replica: _Replica
    code: int


class _Replica:
    """One place for a worker process."""

    def __init__(self, number: int, command: Sequence[str], events: queue.SimpleQueue[_Event]) -> None:
        self.number = number
        self._command = command
        self._events = events
        self._process: subprocess.Popen[bytes] | None = None
        self.due: float | None = None
        """When it is to be started, as `time.monotonic()` counts."""
        self._ready_at: float | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        self.due = self._ready_at = None
        ready, told = os.pipe()
        try:
            # A session of its own: what a terminal sends to all of a group comes through the parent, once.
            self._process = subprocess.Popen(
                [*self._command, READY_OPTION, str(told)],
                stdin=subprocess.PIPE,
                pass_fds=[told],
                start_new_session=True,
            )
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(told)
        threading.Thread(target=self._watch, args=(self._process, ready), daemon=True).start()

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def ended(self) -> None:
        self._process = None

    def worked(self) -> bool:
        """Returns whether it was ready for long enough to have done something."""
        return self._ready_at is not None and time.monotonic() - self._ready_at > _WORKED_SECONDS

    def _watch(self, process: subprocess.Popen[bytes], ready: int) -> None:
        with os.fdopen(ready, "rb") as told:
            if told.read(1):  # nothing, where it has ended before
                self._ready_at = time.monotonic()
                self._events.put(_Ready())
        code = process.wait()
        assert process.stdin is not None
        process.stdin.close()
        self._events.put(_Ended(self, code))


_Event = _Ready | _Ended | signal.Signals


class Replicas:
    """Worker processes, from `run` to its end.

    Args:
        commands: one for each replica, to which `--replica` and the number of a file descriptor are added. Its
            process must end when its standard input does, and write a byte to that file when it is ready.
    """

    def __init__(self, commands: Sequence[Sequence[str]], restarts: Restarts | None = None) -> None:
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._replicas = [_Replica(number, command, self._events) for number, command in enumerate(commands, start=1)]
        self._restarts = restarts or Restarts()
        self.restarted = Counter()
        """By the number of the replica."""
        self.ended = Counter()
        """Of replicas that were not told to end, by number and how: `signal`, or an exit code."""
        self._ending = False
        self._code = 0

    def run(self) -> int:
        """Serves until a signal ends it. Returns the exit code: 0 where all has ended as told, 2 where a replica
        cannot be started like that, else 1."""
        with self._signals():
            self._replicas[0].start()
            while not self._ending or any(replica.alive for replica in self._replicas):
                self._next()
        return self._code

    def _next(self) -> None:
        event = self._event()
        if isinstance(event, _Ended):
            self._one_ended(event.replica, event.code)
        elif isinstance(event, signal.Signals):
            self._end(event)
        elif event is not None and not self._ending:
            for replica in self._replicas:
                if not replica.alive and replica.due is None:
                    replica.start()

    def _event(self) -> _Event | None:
        """Waits for something to happen, or for a replica to be due; starts those that are."""
        due = [replica.due for replica in self._replicas if replica.due is not None]
        with suppress(queue.Empty):
            return self._events.get(timeout=max(0.0, min(due) - time.monotonic()) if due else None)
        for replica in self._replicas:
            if replica.due is not None and replica.due <= time.monotonic():
                replica.start()
                self.restarted.add(str(replica.number))
        return None

    def _one_ended(self, replica: _Replica, code: int) -> None:
        replica.ended()
        if self._ending:
            self._code = self._code or int(code != 0)
            return
        self.ended.add(str(replica.number), "signal" if code < 0 else str(code))
        delay = self._restarts.after(code, now := time.monotonic(), worked=replica.worked())
        if delay is not None:
            with about(replica=replica.number):
                _log.error("replica %d ended %s; it is started again", replica.number, ended_how(code))
            replica.due = now + delay
            return
        if code != WRONG_USAGE:  # else it has said why itself
            how = ended_how(code)
            with about(replica=replica.number):
                _log.error("replica %d ended %s, one too many in a short time; all are ended", replica.number, how)
        self._code = WRONG_USAGE if code == WRONG_USAGE else 1
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self._ending = True
        for replica in self._replicas:
            replica.due = None
            replica.send(number)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def told(number: int, _: FrameType | None) -> None:
            self._events.put(signal.Signals(number))

        before = {number: signal.signal(number, told) for number in _PASSED_ON}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def ended_how(code: int) -> str:
    """Returns how a process ended, as a person is told."""
    if code < 0:
        hint = " (was there too little memory?)" if code == -signal.SIGKILL else ""
        return f"by {signal.Signals(-code).name}{hint}"
    return f"with exit code {code}"
