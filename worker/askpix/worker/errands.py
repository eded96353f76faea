"""What is done for jobs that needs their storage: each in a thread of its own, for a storage may hang."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

import redis
from redis.exceptions import LockError
from redis.lock import Lock

from askpix.producer.errors import AskpixError
from askpix.producer.redis_keys import JobKeys
from askpix.worker.logs.about import about

_log = logging.getLogger(__name__)

_MOST = 4
"""In hand at a time. Other workers take what comes beyond."""

_LOCK_SECONDS = 10
"""After which an errand of a worker that died is another's."""


class Errands:
    """The errands of one worker, of which no two workers have the same in hand.

    `run` and `renew` are called from one thread.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._in_hand: dict[str, Lock] = {}
        """By the URI of the job."""
        self._said: dict[str, str] = {}
        """Of each job what was last said to be in the way."""

    def run(self, job: str, errand: Callable[[], None]) -> None:
        """Begins an errand for a job, unless one for it is in somebody's hand, or too many are in ours.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        if job in self._in_hand or len(self._in_hand) >= _MOST:
            return
        # Released by another thread than the one that takes it.
        lock = self._redis.lock(JobKeys(job).errand, timeout=_LOCK_SECONDS, blocking=False, thread_local=False)
        if lock.acquire():
            self._in_hand[job] = lock
            threading.Thread(target=self._do, args=(job, errand), name="askpix-errand", daemon=True).start()

    def renew(self) -> None:
        """Keeps others from what is in hand.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        for lock in list(self._in_hand.values()):
            # One that ran out, while the broker did not answer, may be another worker's: that does no harm.
            with suppress(LockError):
                lock.reacquire()

    def _do(self, job: str, errand: Callable[[], None]) -> None:
        with about(job=job):
            try:
                errand()
                self._said.pop(job, None)
            except (redis.RedisError, AskpixError) as error:
                # Once, not each time that it is tried.
                if self._said.get(job) != str(error):
                    self._said[job] = str(error)
                    _log.warning("%s cannot be looked after for now: %s", job, error)
            except Exception:  # noqa: BLE001 - a live worker must go on looking
                _log.exception("looking after %s failed", job)
        with suppress(redis.RedisError):
            self._in_hand[job].release()
        del self._in_hand[job]
