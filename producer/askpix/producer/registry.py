"""Who is there: the jobs that are active, and the workers that live. Both are kept in Redis.

A job is registered from its submission to its end. A worker announces itself every few seconds with the
models that it serves and what its engines have done; one that was silent for a while is gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpix.producer.progress import Reading, reading_of
from askpix.producer.redis_keys import JOBS, KEYS_LUA, REFUSED, SWEPT, TAKEN, WORKERS, JobKeys
from askpix.producer.scripts import run_script

ANNOUNCE_SECONDS = 5.0
GONE_SECONDS = 20.0
"""Without an announcement, after which a worker does not count as live."""

_KEEP_SECONDS = 7 * 24 * 3600
"""That the counters of a job that has ended are kept."""

# KEYS: a job's keys, and the active jobs. ARGV: epoch, seconds, the job's URI. Returns 1 where the job has ended
# as it was begun then: it is not active any more.
_END = f"""{KEYS_LUA}
local f = redis.call('HMGET', job, 'epoch', 'parts_done', 'parts')
if f[1] ~= ARGV[1] or tonumber(f[2]) < tonumber(f[3]) then return 0 end
for i = 1, #KEYS - 1 do redis.call('EXPIRE', KEYS[i], ARGV[2]) end
redis.call('ZREM', KEYS[#KEYS], ARGV[3])
return 1
"""

_FORGET_SECONDS = 3600
_SWEEP_SECONDS = 300


class Served(BaseModel):
    """A model that a worker holds, and what its engine has done since it was built."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    fingerprint: str
    device: str
    precision: str
    queues: tuple[str, ...]
    counters: dict[str, int] = {}
    abilities: tuple[str, ...] = ()
    """What it can do with an image; none where the worker does not say."""


class WorkerInfo(BaseModel):
    """What a worker says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """Host and process."""

    models: tuple[Served, ...]
    parts: int = 0
    """Parts in work."""

    slots: int = 0
    """Parts that it takes at a time; 0 where it does not say."""

    asks: int = 0
    """Asks in work."""

    notify: tuple[str, ...] = ()
    """Tasks that it may send when a job ends."""

    seen: Annotated[float, Field(ge=0)] = 0.0
    """When it announced itself, by the broker's clock, in seconds since 1970."""


class Registry:
    """The active jobs and the live workers of one broker."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def add_job(self, uri: str) -> None:
        self._redis.zadd(JOBS, {uri: time.time()}, nx=True)

    def remove_job(self, uri: str) -> None:
        self._redis.zrem(JOBS, uri)

    def end_job(self, uri: str, epoch: str) -> bool:
        """Takes a job that has ended off the list, and lets its counters be forgotten some day.

        Returns False, and does nothing, where it was begun anew since that epoch.
        """
        keys = (*JobKeys(uri).all, JOBS)
        return bool(run_script(self._redis, _END, keys, epoch, str(_KEEP_SECONDS), uri))

    def job_uris(self) -> list[str]:
        """Returns the folders of the active jobs, in the order in which they came."""
        uris: list[str] = self._redis.zrange(JOBS, 0, -1)  # type: ignore[assignment]
        return uris

    def jobs(self) -> list[tuple[str, Reading | None]]:
        """Returns the active jobs with their counters; None where those were lost."""
        uris = self.job_uris()
        with self._redis.pipeline(transaction=False) as pipe:
            for uri in uris:
                pipe.hgetall(JobKeys(uri).counters)
            return [(uri, reading_of(values)) for uri, values in zip(uris, pipe.execute(), strict=True)]

    def announce(self, worker: WorkerInfo) -> None:
        """Says that a worker lives. Now and then, one of all of them forgets those that were silent for an hour."""
        now = self._now()
        self._redis.hset(WORKERS, worker.name, worker.model_copy(update={"seen": now}).model_dump_json())
        # Each reading all others every time came to 450 kB a second with 64 workers, and to 110 MB with 1,000.
        if self._redis.set(SWEPT, worker.name, nx=True, ex=_SWEEP_SECONDS):
            for other in self._announced():
                if now - other.seen > _FORGET_SECONDS:
                    self._redis.hdel(WORKERS, other.name)

    def leave(self, name: str) -> None:
        self._redis.hdel(WORKERS, name)

    def workers(self) -> list[WorkerInfo]:
        """Returns the live workers, by name."""
        now = self._now()
        live = (worker for worker in self._announced() if now - worker.seen <= GONE_SECONDS)
        return sorted(live, key=lambda worker: worker.name)

    def count_taken(self, queue: str) -> None:
        """Counts a part's message that a worker took."""
        self._redis.hincrby(TAKEN, queue, 1)

    def count_refused(self, reason: str, count: int = 1) -> None:
        """Counts messages, or images that they name, which a worker refused."""
        self._redis.hincrby(REFUSED, reason, count)

    def refused(self) -> dict[str, int]:
        """Returns how many messages, and images that they name, were refused, by reason."""
        counts: dict[str, str] = self._redis.hgetall(REFUSED)  # type: ignore[assignment]
        return {reason: int(count) for reason, count in counts.items()}

    def _announced(self) -> Iterator[WorkerInfo]:
        values: list[str] = self._redis.hvals(WORKERS)  # type: ignore[assignment]
        for value in values:
            try:
                yield WorkerInfo.model_validate_json(value)
            except ValidationError:
                continue  # of another version

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6
