"""Jobs that the broker has lost are registered again, from their folders alone, by the workers that have seen them."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable

import redis

from askpix.producer.dispatch import Dispatcher
from askpix.producer.errors import AskpixError
from askpix.producer.job_folder import JobFolder
from askpix.producer.progress import Progress
from askpix.worker.access import Access

_log = logging.getLogger(__name__)

_MOST = 10_000
"""Jobs that are remembered; the oldest is forgotten first."""

_AGAIN_SECONDS = 60.0
"""Until it is tried again where a job's folder cannot be read."""


class Restorer:
    """Remembers active jobs, and begins those anew whose counters are gone.

    Args:
        access: which folders the worker may read.
        dispatcher: queues what is missing of a job.
        client: of the broker's Redis server.
    """

    def __init__(self, access: Access, dispatcher: Dispatcher, client: redis.Redis) -> None:
        self._access = access
        self._dispatcher = dispatcher
        self._redis = client
        self._seen: dict[str, float] = {}
        """When to look at the earliest, by `time.monotonic()`, by the URI of each job."""

    def see(self, jobs: Iterable[str]) -> None:
        """Remembers jobs that are active. May be called from any thread."""
        for uri in jobs:
            self._seen.setdefault(uri, 0.0)
        while len(self._seen) > _MOST:
            self._seen.pop(next(iter(self._seen)), None)

    def lost(self, active: Collection[str]) -> list[str]:
        """Returns the jobs of which the broker knows nothing, neither how far they are nor how they ended.

        Args:
            active: jobs that the broker knows.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        now, found = time.monotonic(), []
        for uri, due in list(self._seen.items()):
            if uri in active or due > now:
                continue
            # One that has ended, or was cancelled, still has its counters.
            if Progress(self._redis, uri).read() is not None:
                self._seen.pop(uri, None)
            else:
                found.append(uri)
        return found

    def restore(self, uri: str) -> None:
        """Begins a job anew, where its folder can be read."""
        try:
            self._restore(uri)
        except AskpixError as error:
            _log.warning("%s was lost by the broker and cannot be restored for now: %s", uri, error)
            self._seen[uri] = time.monotonic() + _AGAIN_SECONDS

    def _restore(self, uri: str) -> None:
        """Begins a job anew by what its folder says, unless it is held; one that is complete ends as others do."""
        folder = JobFolder(self._access.open_job(uri))
        spec = folder.spec()
        if spec is None or folder.holds():
            self._seen.pop(uri, None)
            self._dispatcher.registry.remove_job(uri)
            return
        self._dispatcher.enqueue(folder, spec, patient=False)
        _log.warning("%s was lost by the broker: it is registered again, by its folder", uri)
