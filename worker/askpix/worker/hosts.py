"""The web servers that a worker's images come from, and who of those that wait for one goes next."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator

from askpix.worker.error_codes import Code
from askpix.worker.host import Host, Kind, Place, Task
from askpix.worker.item_errors import ItemError

PER_HOST = 32
"""Images of one host that are loaded at a time."""

PLACES = 64
"""Images that are loaded at a time."""

STRANGER_SECONDS = 2.0
"""After which a host from which nothing has come yet counts as silent."""

_STRANGERS = 4
"""Times as many images of hosts that are new or silent are waited for as there are places, at the most: each has a
thread, which costs a tenth of a megabyte."""

PROBE_SECONDS = 10.0
"""Between two tries at a host that has long been silent."""

_MANY = 5_000
"""Hosts of which something is remembered while nothing is fetched from them, roughly."""

_LOOKED_AT = 100
"""Of them, for one that may be forgotten."""


class Hosts:
    """All of them. It is for its owner to see that one thread at a time uses it.

    Args:
        limit: images of one host at a time.
        rate: images of one host a second that are begun with; None for as many as there are.
        patience: seconds for which a host may be silent before what it has is no longer tried.
        places: images that are loaded at a time from files, from objects, and from hosts that answer. There are as
            many again for hosts that are new, and half as many for silent ones.
    """

    def __init__(
        self,
        limit: int = PER_HOST,
        rate: float | None = None,
        patience: float | None = None,
        places: int = PLACES,
    ) -> None:
        self._limit = limit
        self._places = places
        self._busy = dict.fromkeys(Kind, 0)
        self._queues: dict[Kind, deque[Host]] = {kind: deque() for kind in Kind}
        """Hosts that wait for others of their kind."""
        self._strangers: deque[Place] = deque()
        """Of hosts that were new, in their order."""
        self._spacing = 1 / rate if rate else 0.0
        self._patience = patience
        self._known: dict[str, Host] = {}
        self._none = Host("", places, kind=Kind.ANSWERS)

    def of(self, name: str | None) -> Host:
        """Returns a host; with None, what stands for all that is on no web server."""
        if name is None:
            return self._none
        host = self._known.get(name)
        if host is None:
            host = self._known[name] = Host(name, self._limit)
        return host

    def next_of(self, host: Host, *, in_turn: bool = False) -> Iterator[tuple[Task, Place]]:
        """Yields what may be begun with now; each has its place from then on, until that is given to `ended`.

        Args:
            in_turn: whether the host comes from `next_in_turn`.
        """
        while host.waiting and host.busy < host.limit and host.not_before <= (now := time.monotonic()):
            if not self._has_place(host, in_turn=in_turn):
                self._queue_up(host)
                return
            in_turn = False
            if self._spacing and host is not self._none:
                host.not_before = max(host.not_before, now - self._spacing) + self._spacing
            host.busy += 1
            self._busy[host.kind] += 1
            place = Place(host, host.kind, now)
            if host.kind is Kind.NEW:
                self._strangers.append(place)
            yield host.waiting.popleft(), place

    def next_in_turn(self) -> Host | None:
        """Returns a host that waited for others of its kind and need not any more; None where there is no such."""
        for kind in tuple(self._queues):
            queue = self._queues[kind]
            while queue and self._is_free(kind):
                host = queue.popleft()
                if host.queued and host.kind is kind:
                    host.queued = False
                    # The other kinds are next.
                    self._queues[kind] = self._queues.pop(kind)
                    return host
        return None

    def next_late(self) -> float | None:
        """Returns when new hosts that wait should look for a place; None where none waits, or none comes free so."""
        while self._strangers and not self._strangers[0].is_of_stranger():
            self._strangers.popleft()
        if not self._strangers or not self._queues[Kind.NEW]:
            return None
        return self._strangers[0].begun_at + STRANGER_SECONDS

    def note_late(self) -> None:
        """Has new hosts count as silent that have not answered in time."""
        while (when := self.next_late()) is not None and when <= time.monotonic():
            place = self._strangers.popleft()
            self._busy[place.kind] -= 1
            place.kind = Kind.SILENT
            self._busy[place.kind] += 1
            place.host.become(Kind.SILENT)

    def answered(self, name: str) -> None:
        """Notes that an image has come from a host; what becomes of it is nothing of the host's."""
        self.of(name).become(Kind.ANSWERS)

    def ended(self, place: Place) -> None:
        """Counts one image less that is loaded."""
        host, place.ended = place.host, True
        host.busy -= 1
        self._busy[place.kind] -= 1
        if host is self._none or host.busy or host.waiting:
            return
        del self._known[host.name]
        if not host.is_plain(time.monotonic()):
            # As the last, and the first is forgotten that may be.
            self._known[host.name] = host
            self._forget_one()

    def hold(self, name: str, seconds: float) -> None:
        """Begins with nothing more of a host for some seconds."""
        host = self.of(name)
        host.not_before = max(host.not_before, time.monotonic() + seconds)

    def refuse(self, name: str, seconds: float, problem: ItemError) -> None:
        """Has `refusal` say a problem for some seconds: the host asks for more time than anybody waits."""
        host = self.of(name)
        host.refusal, host.refused_till = problem, time.monotonic() + seconds

    def refusal(self, name: str) -> ItemError | None:
        """Returns why a host is not to be asked now; None where it may be."""
        host = self._known.get(name)
        if host is None:
            return None
        now = time.monotonic()
        if host.refused_till > now:
            return host.refusal
        if not host.is_away(now, self._patience):
            return None
        if host.probe_at <= now:
            host.probe_at = now + PROBE_SECONDS
            return None
        seconds = now - (host.silent_since or now)
        return ItemError(Code.HOST_SILENT, f"{name} has not answered for {seconds:.0f} s", retryable=True)

    def judge(self, name: str, problem: ItemError | None) -> None:
        """Learns from how it went with an image."""
        code = None if problem is None else problem.code
        self.of(name).judge(code, time.monotonic(), most=self._limit, patience=self._patience)

    def _has_place(self, host: Host, *, in_turn: bool) -> bool:
        """Returns whether one more image of a host may be begun with."""
        # As long as others wait of which nothing is known either, one of each in its turn is enough.
        if host.kind is Kind.NEW and host.busy and self._queues[Kind.NEW] and not in_turn:
            return False
        return self._is_free(host.kind)

    def _is_free(self, kind: Kind) -> bool:
        if kind is Kind.ANSWERS:
            return self._busy[kind] < self._places
        most = self._places if kind is Kind.NEW else max(self._places // 2, 1)
        return self._busy[kind] < most and self._busy[Kind.NEW] + self._busy[Kind.SILENT] < _STRANGERS * self._places

    def _forget_one(self) -> None:
        if len(self._known) <= _MANY:
            return
        now = time.monotonic()
        for name, host in itertools.islice(self._known.items(), _LOOKED_AT):
            if host.may_be_forgotten(now):
                del self._known[name]
                return

    def _queue_up(self, host: Host) -> None:
        if not host.queued:
            host.queued = True
            self._queues[host.kind].append(host)
