"""Answers in a Redis server of their own, which all workers of a fleet share; what is forgotten, is up to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from askpix.producer.broker_errors import short
from askpix.producer.broker_url import place_of
from askpix.producer.connections import pool_at
from askpix.producer.errors import BrokerError
from askpix.worker.answer_cache.store import Change, Contents, Fields, Store, StoreError

KEEP_SECONDS = 90 * 24 * 3600
"""That an image's answers are kept after they were last used."""

_PREFIX = "askpix:answers:1:"
"""Of keys, before the model's name and the image's key. The number is that of their form."""

_SECONDS = 0.5
"""In which the server answers, or is taken to be away: whoever looks an answer up has a device that waits."""

_SCANNED = 1_000
_WRITTEN = 200
"""Keys at a time."""


class RedisStore(Store):
    """Answers on a Redis server: a hash for each image.

    Args:
        url: as a broker's is written.

    Raises:
        StoreError: it is not one of a Redis server.
    """

    def __init__(self, url: SecretStr) -> None:
        try:
            place = place_of(url)
            pool = pool_at(
                place,
                socket_timeout=_SECONDS,
                socket_connect_timeout=_SECONDS,
                # Whoever waits between two tries had better ask the model.
                retry=Retry(NoBackoff(), 0),
            )
        except BrokerError as error:
            raise StoreError(str(error).replace("broker URL", "URL of the answers' cache")) from None
        self._place = str(place)
        self._redis = redis.Redis.from_pool(pool)

    def read(self, model: str, image: bytes) -> tuple[Fields, bool]:
        with self._minding():
            found: Any = self._redis.hgetall(_key(model, image))
            if not isinstance(found, dict):
                raise redis.InvalidResponse("it answers as no Redis server does")
        fields = {key: value for key, value in found.items() if isinstance(key, bytes) and isinstance(value, bytes)}
        return fields, bool(fields)

    def write(self, changes: Sequence[Change]) -> None:
        for start in range(0, len(changes), _WRITTEN):
            self._write(changes[start : start + _WRITTEN])

    def _write(self, changes: Sequence[Change]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for change in changes:
            key = _key(change.model, change.image)
            if change.anew:
                pipe.unlink(key)
            if change.fields:
                pipe.hset(key, mapping=dict(change.fields))  # type: ignore[arg-type]
            pipe.expire(key, KEEP_SECONDS)
        with self._minding():
            pipe.execute()

    def contents(self) -> Contents:
        by_model = Counter[str]()
        with self._minding():
            for key in self._keys(None):
                by_model[key.removeprefix(_PREFIX.encode()).rpartition(b":")[0].decode(errors="replace")] += 1
            memory: Any = self._redis.info("memory")
        limit, policy = int(memory.get("maxmemory", 0)), str(memory.get("maxmemory_policy", ""))
        warning = None
        if not limit:
            warning = "the server has no maxmemory: it grows until its machine is full"
        elif not policy.startswith("allkeys-"):
            warning = f"the server's maxmemory-policy is {policy}; with allkeys-lru it forgets what is not used"
        return Contents(
            place=self._place,
            images=sum(by_model.values()),
            answers=None,
            bytes=int(memory.get("used_memory", 0)),
            limit=limit or None,
            by_model=dict(sorted(by_model.items())),
            warning=warning,
        )

    def purge(self, model: str | None) -> int:
        removed, batch = 0, list[bytes]()
        with self._minding():
            for key in self._keys(model):
                batch.append(key)
                if len(batch) == _SCANNED:
                    removed += int(self._redis.unlink(*batch))
                    batch = []
            return removed + (int(self._redis.unlink(*batch)) if batch else 0)

    def close(self) -> None:
        self._redis.close()

    def _keys(self, model: str | None) -> Iterator[bytes]:
        # A model's name has no character that a pattern takes for another.
        pattern = f"{_PREFIX}*" if model is None else f"{_PREFIX}{model}:*"
        yield from self._redis.scan_iter(match=pattern, count=_SCANNED)

    @contextmanager
    def _minding(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"{self._place}: {short(error)}") from None


def _key(model: str, image: bytes) -> bytes:
    return f"{_PREFIX}{model}:{image.hex()}".encode()
