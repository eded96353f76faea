"""What a worker knows of one web server that its images come from, and how it learns that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from askpix.worker.item_errors import ItemError

Task = Callable[[], None]

_SILENT = frozenset(("connection_failed", "connection_refused", "host_not_found", "timeout"))
"""How it looks when a host is away."""

_BUSY = frozenset(("cut_short", "too_slow", *(f"http_{status}" for status in (429, 502, 503, 504))))
"""How it looks when it has too much to do."""

_FAILURES = 3
"""Before a host counts as away."""


class Kind(Enum):
    """What is known of a host."""

    NEW = auto()
    ANSWERS = auto()
    """It did, the last time."""
    SILENT = auto()


@dataclass(slots=True)
class Host:
    """A web server."""

    name: str

    limit: int
    """Images at a time: half as many after each failure, one more after each that went well."""

    busy: int = 0
    waiting: deque[Task] = field(default_factory=deque)

    not_before: float = 0.0
    """When the next may begin; all times are those of `time.monotonic()`."""

    woken: bool = False
    """Whether somebody will see to it then."""

    kind: Kind = Kind.NEW

    queued: bool = False
    """Whether it waits for others of its kind."""

    silent_since: float | None = None
    """Since when it has not answered."""

    failed_at: float = 0.0
    failures: int = 0
    """Of it, one after the other since then."""

    probe_at: float = 0.0
    refusal: ItemError | None = None
    refused_till: float = 0.0

    def become(self, kind: Kind) -> None:
        if kind is not self.kind:
            # Where it waits among others, it is not of theirs any more.
            self.kind, self.queued = kind, False

    def judge(self, code: str | None, now: float, *, most: int, patience: float | None) -> None:
        """Learns from how it went with an image.

        Args:
            code: of the error that it came to, if any.
            now: by `time.monotonic()`.
            most: images at a time, however well it goes.
            patience: as `is_away`.
        """
        if code in _SILENT or code in _BUSY:
            self.limit = max(min(self.limit, self.busy) // 2, 1)
        else:
            self.limit = min(self.limit + 1, most)
        self._note(now, patience, silent=code in _SILENT)
        self.become(Kind.SILENT if code in _SILENT else Kind.ANSWERS)

    def is_away(self, now: float, patience: float | None) -> bool:
        """Returns whether it has been tried for so many seconds, and has not answered; never, where that is None."""
        if self.silent_since is None or patience is None or self.failures < _FAILURES:
            return False
        return now - self.silent_since >= patience >= now - self.failed_at

    def is_plain(self, now: float) -> bool:
        """Returns whether there is nothing to remember."""
        quiet = self.not_before <= now and self.refused_till <= now and not self.woken
        return quiet and self.kind is Kind.NEW

    def may_be_forgotten(self, now: float) -> bool:
        """Returns whether nothing is under way, and nothing was asked for that still holds."""
        return not self.busy and not self.waiting and max(self.refused_till, self.not_before) <= now

    def _note(self, now: float, patience: float | None, *, silent: bool) -> None:
        if not silent:
            self.silent_since, self.failures = None, 0
            return
        # In between nobody has listened.
        if self.silent_since is None or (patience is not None and now - self.failed_at > patience):
            self.silent_since, self.failures = now, 0
        self.failed_at = now
        self.failures += 1


@dataclass(slots=True, eq=False)
class Place:
    """Of an image that is loaded."""

    host: Host

    kind: Kind
    """Of which it takes a place, until it is there: what its host was when it was begun with."""

    begun_at: float
    ended: bool = False

    def is_of_stranger(self) -> bool:
        """Returns whether nothing has come yet from its host."""
        return self.kind is Kind.NEW and self.host.kind is not Kind.ANSWERS and not self.ended
