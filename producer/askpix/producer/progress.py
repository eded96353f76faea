"""Live counters of a job in Redis: one small hash and one set of part numbers.

They say how far a job is, at little cost and however many workers there are. The job folder stays the
truth: what the counters hold can be lost, and a part that is answered twice is counted once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import redis

from askpix.producer.broker import KEY_PREFIX

_KEEP = 7 * 24 * 3600
"""Seconds that the counters of a job outlive their last change."""

# KEYS: hash, set of done parts. ARGV: part, items ok, items failed, seconds to keep.
_PART_DONE = """
redis.call('HDEL', KEYS[1], 'live:' .. ARGV[1])
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'ok', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'failed', ARGV[3])
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One look at a job's counters."""

    ok: int
    failed: int
    """Items of finished parts."""

    live: int
    """Items that are done in parts still in work."""

    error: str | None
    """What stopped a part that could not be answered or written, in words for a person."""

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.live


class Progress:
    """The counters of one job.

    Args:
        client: of the broker's Redis server.
        job: URI of the job folder, as messages name it: known even where the folder cannot be read.
    """

    def __init__(self, client: redis.Redis, job: str) -> None:
        self._redis = client
        self._hash = f"{KEY_PREFIX}job:{hashlib.sha256(job.encode()).hexdigest()[:32]}"
        self._parts = f"{self._hash}:parts"
        self._part_done = client.register_script(_PART_DONE)

    def reset(self) -> None:
        """Forgets everything, before a job's parts are queued anew."""
        self._redis.delete(self._hash, self._parts)

    def part_live(self, part: int, done: int) -> None:
        """Says how many items of a part in work are done."""
        self._redis.hset(self._hash, f"live:{part}", str(done))
        self._redis.expire(self._hash, _KEEP)

    def part_done(self, part: int, *, ok: int, failed: int) -> None:
        """Counts a finished part, once however often it is finished."""
        self._part_done(keys=[self._hash, self._parts], args=[part, ok, failed, _KEEP])

    def part_error(self, part: int, message: str) -> None:
        """Says why a part could not be finished."""
        self._redis.hset(self._hash, mapping={"error": message, "error_part": part})
        self._redis.expire(self._hash, _KEEP)

    def read(self) -> Reading:
        values: dict[str, str] = self._redis.hgetall(self._hash)  # type: ignore[assignment]
        return Reading(
            ok=int(values.get("ok", 0)),
            failed=int(values.get("failed", 0)),
            live=sum(int(value) for name, value in values.items() if name.startswith("live:")),
            error=values.get("error"),
        )
