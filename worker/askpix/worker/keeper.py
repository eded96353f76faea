"""What live workers do beside answering: say that they live, and keep the active jobs going.

One worker at a time, by a lock in Redis, looks at all active jobs, twice a second however many workers there are: it
tops up their windows, puts back parts that were lost, and takes jobs that have ended off the list. What needs a job's
storage, which may hang, are errands beside that: notifying whoever asked for it, and registering again what the broker
has lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import redis
from redis.exceptions import LockError

from askpix.producer.broker import Broker
from askpix.producer.broker_errors import explained
from askpix.producer.errors import AskpixError, MessageError
from askpix.producer.progress import JobState, Reading
from askpix.producer.redis_keys import KEEPER
from askpix.producer.registry import ANNOUNCE_SECONDS, Registry, WorkerInfo
from askpix.producer.window import Window
from askpix.worker.errands import Errands
from askpix.worker.leftovers import remove_leftovers
from askpix.worker.logs.about import about
from askpix.worker.notify import Notifier
from askpix.worker.restoring import Restorer

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_REST_SECONDS = 0.4
"""From one look to the next one, whoever's it is. Without it, 64 workers looked at each job 67 times a second."""

_ENDLESS = -1
"""Milliseconds, as Redis says it, that are left to a key without an end."""

_LOCK_SECONDS = 10
"""After which a worker that died in the midst of a look keeps others from it no more."""

_STOP_SECONDS = 5.0

_UNSAID_SECONDS = 60.0
"""That a job which has ended waits for a worker that may send its notification."""


class Keeper:
    """A thread of a worker, from `with` to its end.

    Args:
        info: says what the worker is and has done.
        lost: is called where messages of a job were lost.
    """

    def __init__(
        self,
        broker: Broker,
        registry: Registry,
        info: Callable[[], WorkerInfo],
        notifier: Notifier,
        restorer: Restorer,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._lost = lost
        self._redis = broker.redis
        self._registry = registry
        self._window = Window(broker)
        self._info = info
        self._notifier = notifier
        self._restorer = restorer
        self._errands = Errands(broker.redis)
        self._unsaid: dict[str, float] = {}
        """Since when this worker has known of jobs that it may not notify of."""
        self._answered_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="askpix-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and takes the worker off the list of those that live."""
        self._stopping.set()
        # Not for long: it may be waiting for a broker that hangs, and is a daemon.
        self._thread.join(_STOP_SECONDS)
        with suppress(redis.RedisError):
            self._registry.leave(self._info().name)

    def unanswered(self) -> float:
        """Returns for how many seconds the broker has not answered; infinity where it never has."""
        return time.monotonic() - self._answered_at

    def _run(self) -> None:
        since, trouble = ANNOUNCE_SECONDS, ""
        while True:
            try:
                if since >= ANNOUNCE_SECONDS:
                    since = 0.0
                    self._registry.announce(self._info())
                    self._remove_false_lock()
                    # Every worker, so that it knows them should the broker lose them.
                    self._restorer.see(self._registry.job_uris())
                self._look_if_ours()
                self._answered_at, trouble = time.monotonic(), ""
            except (redis.RedisError, AskpixError) as error:
                # Said once, not twice a second for as long as it lasts.
                said = str(explained(error) if isinstance(error, redis.RedisError) else error)
                if said != trouble:
                    trouble = said
                    _log.warning("jobs cannot be looked after for now: %s", said)
            except Exception:  # noqa: BLE001 - a live worker must go on looking
                _log.exception("looking after jobs failed")
            if self._stopping.wait(_LOOK_SECONDS):
                return
            since += _LOOK_SECONDS

    def _remove_false_lock(self) -> None:
        """Removes a lock that has no end: it is not of our making, and would keep all from looking for ever."""
        if self._redis.pttl(KEEPER) == _ENDLESS:
            self._redis.delete(KEEPER)
            _log.error(
                "the key %s was not made by a worker, and kept all from looking after jobs: it was removed", KEEPER
            )

    def _look_if_ours(self) -> None:
        self._errands.renew()
        lock = self._redis.lock(KEEPER, timeout=_LOCK_SECONDS, blocking=False)
        if not lock.acquire():
            return
        try:
            jobs = self._registry.jobs()
            active = {uri for uri, _ in jobs}
            self._unsaid = {uri: since for uri, since in self._unsaid.items() if uri in active}
            self._restorer.see(active)
            for uri, reading in jobs:
                with about(job=uri):
                    try:
                        self._look(uri, reading)
                    except AskpixError as error:
                        _log.warning("%s cannot be looked after for now: %s", uri, error)
                lock.reacquire()
            for uri in self._restorer.lost({uri for uri, reading in jobs if reading is not None}):
                self._errands.run(uri, partial(self._restorer.restore, uri))
        finally:
            # One that ran out meanwhile is another worker's now.
            with suppress(LockError):
                # Where there is something that another may have to say, it is others' turn at once.
                if self._unsaid:
                    lock.release()
                else:
                    lock.extend(_REST_SECONDS, replace_ttl=True)

    def _look(self, uri: str, reading: Reading | None) -> None:
        """Does for a job what the broker alone is needed for; the rest is an errand."""
        if reading is None:
            return
        if reading.finished:
            if reading.notify:
                self._errands.run(uri, partial(self._notify_and_end, uri, reading))
            else:
                self._end(uri, reading)
        elif reading.state is JobState.RUNNING:
            self._window.fill(uri)
            if self._window.find_lost(uri, reading.queue):
                _log.warning("messages of %s were lost: its parts are queued again", uri)
                self._lost()

    def _notify_and_end(self, uri: str, reading: Reading) -> None:
        try:
            self._notifier.notify(uri, reading)
        except MessageError as error:
            # Another worker may be allowed to; the lock goes round.
            if time.monotonic() - self._unsaid.setdefault(uri, time.monotonic()) < _UNSAID_SECONDS:
                return
            _log.error("nobody was told that a job has ended: %s", error)
            self._registry.count_refused(error.reason)
        self._unsaid.pop(uri, None)
        self._end(uri, reading)

    def _end(self, uri: str, reading: Reading) -> None:
        if self._registry.end_job(uri, reading.epoch):
            remove_leftovers(self._redis, uri)
            _log.info("%s has ended: %d ok, %d failed", uri, reading.ok, reading.failed)
