"""Live counters of a job in Redis: one small hash, one bit for each part, and the leases of parts in work.

They say how far a job is, at the same cost for 10 parts as for 10,000 and however many look. The job
folder stays the truth: what the counters hold can be lost and is then counted from the folder again, and
a part that is answered twice is counted once.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis

from askpix.producer.broker import KEY_PREFIX

LEASE_SECONDS = 30
"""A part in work is its worker's for so long after the last sign of life."""

_KEEP = 7 * 24 * 3600
"""Seconds that the counters of a job that has ended are kept."""

# In each script, KEYS are the hash, the bits of done parts, and the sorted set of leases by their end.

# ARGV: part, seconds. Returns 0 where another worker has the part.
_CLAIM = """
local now = tonumber(redis.call('TIME')[1])
local till = redis.call('ZSCORE', KEYS[3], ARGV[1])
if till and tonumber(till) > now then return 0 end
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[3], 86400)
return 1
"""

# ARGV: part, round, items done, seconds.
_LIVE = """
redis.call('ZADD', KEYS[3], 'XX', redis.call('TIME')[1] + ARGV[4], ARGV[1])
if redis.call('HGET', KEYS[1], 'round') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'live:' .. ARGV[1], ARGV[3])
end
"""

# ARGV: part.
_RELEASE = """
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[1], 'live:' .. ARGV[1])
"""

# ARGV: part, round, items ok, items failed. A part of an earlier round changes nothing.
_DONE = """
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'round') ~= ARGV[2] then return end
redis.call('HDEL', KEYS[1], 'live:' .. ARGV[1])
if redis.call('SETBIT', KEYS[2], ARGV[1], 1) == 0 then
  redis.call('HINCRBY', KEYS[1], 'parts_done', 1)
  redis.call('HINCRBY', KEYS[1], 'ok', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'failed', ARGV[4])
end
"""

# ARGV: part, round, what went wrong. A part of an earlier round stops nothing.
_ERROR = """
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'round') ~= ARGV[2] then return end
redis.call('HDEL', KEYS[1], 'live:' .. ARGV[1])
redis.call('HSET', KEYS[1], 'error', ARGV[3])
"""

# ARGV: field and value, and so on. Changes a job that is there; makes none.
_CHANGE = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
"""


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

    window: int
    """Parts that may wait in the broker at a time."""

    notify: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One look at a job's counters."""

    id: str
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

    notify: str | None

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
        self.key = f"{KEY_PREFIX}job:{hashlib.sha256(job.encode()).hexdigest()[:32]}"
        """Of the hash; the other keys begin with it."""
        self.bits = f"{self.key}:done"
        self.leases = f"{self.key}:leases"
        self._keys = [self.key, self.bits, self.leases]

    def begin(self, start: Start) -> None:
        """Forgets everything and begins to count anew, before parts are queued."""
        values = {
            "id": start.id,
            "state": JobState.RUNNING.value,
            "queue": start.queue,
            "items": start.items,
            "total": start.total,
            "round": start.round,
            "parts": start.parts,
            "parts_done": start.parts_done,
            "ok": start.ok,
            "failed": start.failed,
            "window": start.window,
            # Of the window: the next part to queue, parts queued, and parts done before the first of them.
            "epoch": uuid.uuid4().hex,
            "next": 0,
            "sent": 0,
            "before": start.parts_done,
            **({"notify": start.notify} if start.notify else {}),
        }
        with self._redis.pipeline(transaction=True) as pipe:
            # Leases stay: a part that a worker has in work is not begun by another.
            pipe.delete(self.key, self.bits)
            pipe.hset(self.key, mapping=values)  # type: ignore[arg-type]
            pipe.set(self.bits, bytes(start.done))
            pipe.execute()

    def expire(self) -> None:
        """Lets the counters of a job that has ended be forgotten some day."""
        for key in self._keys:
            self._redis.expire(key, _KEEP)

    def change(self, **values: str | int) -> None:
        """Changes fields of a job that is being counted."""
        self._run(_CHANGE, *(text for pair in values.items() for text in map(str, pair)))

    def claim(self, part: int) -> bool:
        """Takes a part's lease; returns False where another worker has it."""
        return bool(self._run(_CLAIM, part, LEASE_SECONDS))

    def part_live(self, part: int, done: int, round_: int = 0) -> None:
        """Says how many items of a part in work are done, and renews its lease."""
        self._run(_LIVE, part, round_, done, LEASE_SECONDS)

    def part_released(self, part: int) -> None:
        """Gives a part's lease back: it is not in work any more, and not done."""
        self._run(_RELEASE, part)

    def part_done(self, part: int, *, ok: int, failed: int, round_: int = 0) -> None:
        """Counts a finished part, once however often it is finished."""
        self._run(_DONE, part, round_, ok, failed)

    def part_error(self, part: int, message: str, round_: int = 0) -> None:
        """Says why a part could not be finished: no further parts are queued."""
        self._run(_ERROR, part, round_, message)

    def part_refused(self, message: str) -> None:
        """Says why a worker refused a part. Others may take it, so the job goes on."""
        self.change(warning=message)

    def read(self) -> Reading | None:
        """Returns the counters, or None where they were lost or never begun. One command."""
        values: dict[str, str] = self._redis.hgetall(self.key)  # type: ignore[assignment]
        return reading_of(values)

    def _run(self, script: str, *arguments: str | int) -> Any:
        return self._redis.eval(script, len(self._keys), *self._keys, *map(str, arguments))


def reading_of(values: dict[str, str]) -> Reading | None:
    """Returns what a job's hash says; None for an empty one."""
    if "parts" not in values:
        return None
    return Reading(
        id=values["id"],
        state=JobState(values["state"]),
        queue=values["queue"],
        round=int(values["round"]),
        items=int(values["items"]),
        parts=int(values["parts"]),
        parts_done=int(values["parts_done"]),
        ok=int(values["ok"]),
        failed=int(values["failed"]),
        live=sum(int(value) for name, value in values.items() if name.startswith("live:")),
        error=values.get("error"),
        warning=values.get("warning"),
        notify=values.get("notify"),
    )
