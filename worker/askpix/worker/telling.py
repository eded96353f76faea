"""What a part's worker tells the counters of it while it goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import redis

from askpix.producer.lease import Lease
from askpix.producer.live import LATEST, Glimpse, PartLive, codes_in
from askpix.producer.outcomes import is_cached
from askpix.producer.progress import JobState
from askpix.producer.rows import Row, Status

_log = logging.getLogger(__name__)


class Telling:
    """What is told of one part: each row is looked at once, however often it is told how many there are.

    Args:
        lease: on the part; without one, nobody is told anything.
        made: is given each row that this worker has made, once.
    """

    def __init__(self, lease: Lease | None, made: Callable[[Sequence[Row]], None] = lambda _: None) -> None:
        self._lease = lease
        self._made_rows = made
        self._kept = 0
        self._made = 0
        """Rows that were there before, and that this worker has made."""
        self._codes = Counter[str]()
        self._cached = 0
        self._latest: Sequence[Glimpse] = ()

    def begin(self, kept: Collection[Row]) -> None:
        """Takes the rows that were there before."""
        self._kept = len(kept)
        self._codes = codes_in(kept)
        self._cached = sum(map(is_cached, kept))

    def see(self, rows: dict[int, Row]) -> bool:
        """Takes all the rows that were made so far, the newest last; returns whether there are new ones."""
        new = list(islice(reversed(rows.values()), len(rows) - self._made))
        if not new:
            return False
        self._made = len(rows)
        self._codes.update(codes_in(new))
        self._cached += sum(map(is_cached, new))
        self._made_rows(new)
        self._latest = [Glimpse.of(row) for row in new[:LATEST]]
        return True

    def live(self) -> bool:
        """Says how far the part is, and that the worker lives; returns whether the job is known to go on."""
        state = None
        if self._lease is not None:
            with counting():
                state = self._lease.live(self._how(self._kept + self._made, self._cached))
                # Told again, they would come back as the newest.
                self._latest = ()
        return state == JobState.RUNNING

    def done(self, rows: Sequence[Row]) -> None:
        """Says that the part has these rows: those that the job, or its round, asked for."""
        if self._lease is not None:
            ok = sum(row.status is Status.OK for row in rows)
            with counting():
                how = self._how(len(rows), sum(map(is_cached, rows)))
                self._lease.done(ok=ok, codes=codes_in(rows), how=how)

    def _how(self, done: int, cached: int) -> PartLive:
        return PartLive(done=done, cached=cached, new=self._made, codes=self._codes, latest=self._latest)


@contextmanager
def counting() -> Iterator[None]:
    """Counters are a hint: when they cannot be written, the work goes on."""
    try:
        yield
    except redis.RedisError as error:
        _log.warning("the job's counters could not be written: %s", error)
