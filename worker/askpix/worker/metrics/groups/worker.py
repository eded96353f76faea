"""The worker itself: since when it is there, and whether it can take work."""

from __future__ import annotations

import time
from importlib.metadata import version

from askpix.worker.health import OK
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.known import Known
from askpix.worker.starting import seconds_since_start

_STARTED_AT = time.time() - seconds_since_start()


def add(families: Families, known: Known) -> None:
    add_worker(families, ready=all(how == OK for how in known.ready().values()))


def add_worker(families: Families, *, ready: bool) -> None:
    """Adds what a worker tells of itself."""
    families.gauge("askpix_build_info", "The version of askpix; always 1.", ["version"], {(version("askpix"),): 1})
    families.gauge("askpix_worker_ready", "Whether the worker can take work, as /readyz says.", [], {(): ready})
    families.gauge(
        "askpix_worker_start_time_seconds", "When its process began, in seconds since 1970.", [], {(): _STARTED_AT}
    )
