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

from askpix.producer.broker import KEY_PREFIX
from askpix.producer.progress import Progress, Reading, reading_of

ANNOUNCE_SECONDS = 5.0
GONE_SECONDS = 20.0
"""Without an announcement, after which a worker does not count as live."""

_JOBS = f"{KEY_PREFIX}jobs"
_WORKERS = f"{KEY_PREFIX}workers"
_REFUSED = f"{KEY_PREFIX}refused"
_FORGET_SECONDS = 3600


class Served(BaseModel):
    """A model that a worker holds, and what its engine has done since it was built."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    fingerprint: str
    device: str
    precision: str
    queues: tuple[str, ...]
    counters: dict[str, int] = {}


class WorkerInfo(BaseModel):
    """What a worker says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """Host and process."""

    models: tuple[Served, ...]
    parts: int = 0
    """Parts in work."""

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
        self._redis.zadd(_JOBS, {uri: time.time()}, nx=True)

    def remove_job(self, uri: str) -> None:
        self._redis.zrem(_JOBS, uri)

    def job_uris(self) -> list[str]:
        """Returns the folders of the active jobs, in the order in which they came."""
        uris: list[str] = self._redis.zrange(_JOBS, 0, -1)  # type: ignore[assignment]
        return uris

    def jobs(self) -> list[tuple[str, Reading | None]]:
        """Returns the active jobs with their counters; None where those were lost."""
        uris = self.job_uris()
        with self._redis.pipeline(transaction=False) as pipe:
            for uri in uris:
                pipe.hgetall(Progress(self._redis, uri).key)
            return [(uri, reading_of(values)) for uri, values in zip(uris, pipe.execute(), strict=True)]

    def announce(self, worker: WorkerInfo) -> None:
        """Says that a worker lives; forgets those that were silent for an hour."""
        now = self._now()
        self._redis.hset(_WORKERS, worker.name, worker.model_copy(update={"seen": now}).model_dump_json())
        for other in self._announced():
            if now - other.seen > _FORGET_SECONDS:
                self._redis.hdel(_WORKERS, other.name)

    def leave(self, name: str) -> None:
        self._redis.hdel(_WORKERS, name)

    def workers(self) -> list[WorkerInfo]:
        """Returns the live workers, by name."""
        now = self._now()
        live = (worker for worker in self._announced() if now - worker.seen <= GONE_SECONDS)
        return sorted(live, key=lambda worker: worker.name)

    def serves(self, queue: str) -> bool:
        """Returns whether a live worker takes messages from a queue."""
        return any(queue in model.queues for worker in self.workers() for model in worker.models)

    def count_refused(self, reason: str) -> None:
        """Counts a message that a worker refused."""
        self._redis.hincrby(_REFUSED, reason, 1)

    def refused(self) -> dict[str, int]:
        """Returns how many messages were refused, by reason."""
        counts: dict[str, str] = self._redis.hgetall(_REFUSED)  # type: ignore[assignment]
        return {reason: int(count) for reason, count in counts.items()}

    def _announced(self) -> Iterator[WorkerInfo]:
        values: list[str] = self._redis.hvals(_WORKERS)  # type: ignore[assignment]
        for value in values:
            try:
                yield WorkerInfo.model_validate_json(value)
            except ValidationError:
                continue  # of another version

    def _now(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds) + float(micros) / 1e6
