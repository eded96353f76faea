"""Live counters of a job in Redis: one small hash, and bits and leases for its parts.

They say how far a job is, at the same cost for 10 parts as for 10,000 and however many look. The job
folder stays the truth: what the counters hold can be lost and is then counted from the folder again (`standing.py`),
and a part that is answered twice is counted once. Here they begin and are read; workers count by their leases on parts
(`lease.py`), and what waits is counted by who queues it (`window.py`). How each is counted, `counting.py` says.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import redis

from askpix.producer import counting
from askpix.producer.lease import LEASE_SECONDS, Lease, claim_part, drop_part
from askpix.producer.live import Glimpse, counts_from, glimpses_from
from askpix.producer.redis_keys import OF_CODE, OF_PART_CACHED, OF_PART_CODES, OF_PART_ITEMS, OF_WORKER, JobKeys
from askpix.producer.scripts import run_script


class JobState(StrEnum):
    """What is to be made of a job."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a job, or a retry round of it, begins with."""

    id: str
    queue: str
    items: int
    total: int
    """Parts of the job."""

    round: int
    parts: int
    """Parts of this round."""

    done: bytearray
    """A bit for each part of the job that this round need not do any more, as Redis counts bits."""

    parts_done: int
    """Parts of this round that are done."""

    ok: int
    failed: int
    """Items by how they stand, those of parts that are not done excluded."""

    cached: int = 0
    """Of those that are ok, items whose answers were all given before."""

    window: int
    """Parts that may wait in the broker at a time."""

    codes: Mapping[str, int] = field(default_factory=dict)
    """Of the failed items, by error code."""

    notify: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One look at a job's counters."""

    id: str
    epoch: str
    """Another each time that the job begins anew."""

    state: JobState
    queue: str
    round: int
    items: int
    parts: int
    parts_done: int
    ok: int
    failed: int
    """Items of finished parts, and those that a retry round leaves as they are."""

    live: int
    """Items that are done in parts still in work."""

    error: str | None
    """What stopped a part that could not be answered or written, in words for a person."""

    warning: str | None
    """Why a worker refused a part, which others may take."""

    passing: bool
    """Whether what the warning tells passes by itself."""

    notify: str | None

    codes: Mapping[str, int]
    """How many items failed so far, those of parts in work included, by error code."""

    cached: int
    """Items done whose answers were all given before, those of parts in work included."""

    workers: Mapping[str, int]
    """How many items each worker has answered since the job, or its round, began; also of workers that are gone."""

    latest: tuple[Glimpse, ...]

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.live

    @property
    def finished(self) -> bool:
        return self.parts_done >= self.parts


class Progress:
    """The counters of one job.

    Args:
        client: of the broker's Redis server.
        job: URI of the job folder, as messages name it: known even where the folder cannot be read.
    """

    def __init__(self, client: redis.Redis, job: str) -> None:
        self._redis = client
        self.keys = JobKeys(job)

    def begin(self, start: Start) -> None:
        """Forgets what was counted and begins anew, before parts are queued.

        What waits in the broker or is in work goes on as it is, unless this is another job or round.
        """
        fields: dict[str, str | int] = {
            "epoch": uuid.uuid4().hex,
            "state": JobState.RUNNING.value,
            "queue": start.queue,
            "items": start.items,
            "total": start.total,
            "parts": start.parts,
            "parts_done": start.parts_done,
            "ok": start.ok,
            "failed": start.failed,
            "window": start.window,
            **({"cached": start.cached} if start.cached else {}),
            "next": 0,
            **({"notify": start.notify} if start.notify else {}),
            **{f"{OF_CODE}{code}": count for code, count in start.codes.items()},
        }
        flat = [value for pair in fields.items() for value in pair]
        run_script(
            self._redis, counting.BEGIN, self.keys.all, start.id, str(start.round), bytes(start.done), *map(str, flat)
        )

    def change_state(self, state: JobState) -> None:
        """Says what is to be made of a job that is being counted."""
        run_script(self._redis, counting.CHANGE, self.keys.all, "state", state.value)

    def claim(self, part: int, round_: int = 0, seconds: int = LEASE_SECONDS, worker: str = "") -> Lease | None:
        """Takes a part out of what waits, for its worker; returns None where another worker has it.

        Args:
            seconds: for which it is the worker's after each sign of life.
            worker: what `Reading.workers` calls it.
        """
        return claim_part(self._redis, self.keys, part, round_, seconds, worker)

    def forget_leases(self) -> None:
        """Says that nobody has a part in work."""
        self._redis.delete(self.keys.leases)

    def in_work(self) -> bool:
        """Returns whether a worker has a part in work. One command."""
        return bool(self._redis.exists(self.keys.leases))

    def refuse(self, part: int, round_: int, why: str, *, passing: bool = False) -> None:
        """Says that a worker refused a part. Others may take it, so it is queued again.

        Args:
            passing: whether the same worker may do it in a while.
        """
        drop_part(self._redis, self.keys, part, round_, why, passing=passing)

    def read(self) -> Reading | None:
        """Returns the counters, or None where they were lost or never begun. One command."""
        values: dict[str, str] = self._redis.hgetall(self.keys.counters)  # type: ignore[assignment]
        return reading_of(values)


def reading_of(values: dict[str, str]) -> Reading | None:
    """Returns what a job's hash says; None for an empty one, and for one that nobody of askpix wrote."""
    try:
        return _reading(values)
    except (KeyError, ValueError):
        # As where it was lost: its folder knows better.
        return None


def _reading(values: Mapping[str, str]) -> Reading:
    return Reading(
        id=values["id"],
        epoch=values["epoch"],
        state=JobState(values["state"]),
        queue=values["queue"],
        round=int(values["round"]),
        items=int(values["items"]),
        parts=int(values["parts"]),
        parts_done=int(values["parts_done"]),
        ok=int(values["ok"]),
        failed=int(values["failed"]),
        live=sum(map(int, _of(OF_PART_ITEMS, values).values())),
        error=values.get("error"),
        warning=values.get("warning"),
        passing=values.get("passing") == "1",
        notify=values.get("notify"),
        codes=_codes(values),
        cached=_cached(values),
        workers={worker: int(items) for worker, items in _of(OF_WORKER, values).items()},
        latest=glimpses_from(values.get("latest")),
    )


def _codes(values: Mapping[str, str]) -> dict[str, int]:
    codes = Counter({code: int(count) for code, count in _of(OF_CODE, values).items()})
    for text in _of(OF_PART_CODES, values).values():
        codes.update(counts_from(text))
    return dict(codes)


def _cached(values: Mapping[str, str]) -> int:
    # Workers of before leave those of a part behind that they have ended: it is in work no more.
    live = _of(OF_PART_ITEMS, values)
    told = (int(count) for part, count in _of(OF_PART_CACHED, values).items() if part in live)
    return int(values.get("cached", 0)) + sum(told)


def _of(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    """Returns the fields whose names begin so, by what follows."""
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}
