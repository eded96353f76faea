"""A worker's hold on one part of a job: taken with the message, renewed while it works, and given up at the end.

A lease that is not renewed runs out, and the part is queued again. Leases save work, nothing more: a part
that two workers do has one result all the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import redis

from askpix.producer import counting
from askpix.producer.live import PartLive
from askpix.producer.redis_keys import JobKeys
from askpix.producer.scripts import run_script

LEASE_SECONDS = 20
"""A part in work is its worker's for so long after the last sign of life: with the seconds until somebody looks, a part
of a worker that died is queued again within 30."""


class Lease:
    """One part in the hands of one worker. Every method raises redis.RedisError where the broker is lost."""

    def __init__(
        self,
        client: redis.Redis,
        keys: JobKeys,
        part: int,
        round_: int,
        *,
        owner: str,
        epoch: str,
        seconds: int,
        deaths: int,
        worker: str,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._which = (str(part), str(round_))
        self._owner = owner
        self._epoch = epoch
        self._seconds = seconds
        self.deaths = deaths
        """How many workers began the part before and did not end it."""
        self._excused = False
        self._worker = worker
        self._credited = 0
        """Items that were told to be of this worker's making."""

    def live(self, how: PartLive) -> str | None:
        """Says how far the part is, and renews the lease; returns the job's state, None where it is not known."""
        told = (how.codes_text(), how.latest_text(), self._worker, how.new - self._credited, how.cached)
        state: str | None = self._run(counting.LIVE, self._seconds, how.done, *told)
        self._credited = how.new
        return state

    def release(self, *, to_queue: bool = False, died: bool = False) -> None:
        """Gives the part up undone.

        Args:
            to_queue: whether its message waits in the broker again.
            died: whether the part may be the reason for its worker's end.
        """
        self._run(counting.RELEASE, int(to_queue), self._change(died=died))

    def excuse(self) -> None:
        """Says that the part will not be the reason if its worker dies from now on."""
        if not self._excused:
            self._run(counting.EXCUSE)
            self._excused = True

    def done(self, *, ok: int, codes: Mapping[str, int], how: PartLive) -> None:
        """Counts the finished part, once however often it is finished.

        Args:
            codes: of the items that failed.
        """
        flat = [value for pair in codes.items() for value in pair]
        told = (how.latest_text(), self._worker, how.new - self._credited, how.cached)
        self._run(counting.DONE, ok, sum(codes.values()), *told, *flat)

    def fail(self, why: str) -> None:
        """Gives the part up and stops the job, until it begins anew, for a reason in words for a person."""
        self._run(counting.STOP, self._epoch, "error", why, self._change())

    def hold(self, state: str) -> None:
        """Gives the part up and tells the counters what its folder says: the job is paused or cancelled."""
        self._run(counting.STOP, self._epoch, "state", state, self._change())

    def _change(self, *, died: bool = False) -> int:
        """Returns by how much more often the part will have been begun and not ended."""
        return int(died) - int(not self._excused)

    def _run(self, script: str, *arguments: str | int) -> Any:
        return run_script(self._redis, script, self._keys.all, *self._which, self._owner, *map(str, arguments))


def claim_part(
    client: redis.Redis, keys: JobKeys, part: int, round_: int, seconds: int = LEASE_SECONDS, worker: str = ""
) -> Lease | None:
    """Takes a part out of what waits; returns None where another has it.

    Args:
        worker: to whom the items are credited; nobody without it.
    """
    owner = uuid.uuid4().hex
    claimed: Any = run_script(client, counting.CLAIM, keys.all, str(part), str(round_), owner, str(seconds))
    if claimed is None:
        return None
    epoch, deaths = claimed
    return Lease(
        client, keys, part, round_, owner=owner, epoch=epoch, seconds=seconds, deaths=int(deaths), worker=worker
    )


def drop_part(client: redis.Redis, keys: JobKeys, part: int, round_: int, why: str, *, passing: bool) -> None:
    """Says that a part does not wait any more, without being in work, why, and whether that passes by itself."""
    run_script(client, counting.DROP, keys.all, str(part), str(round_), why, str(int(passing)))
