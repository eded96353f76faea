"""What a worker tells at /metrics, put together when somebody asks. docs/monitoring.md says what each figure means."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from askpix.worker.metrics.families import Families, text
from askpix.worker.metrics.groups.process import add_process
from askpix.worker.metrics.groups.worker import add_worker
from askpix.worker.metrics.known import Known

# A new group of metrics is a module with an `add`, and its name here.
_MODULES = ("worker", "process", "items", "parts", "engines", "queues")

_ADD: tuple[Callable[[Families, Known], None], ...] = tuple(
    import_module(f"askpix.worker.metrics.groups.{name}").add for name in _MODULES
)


def told(known: Known) -> bytes:
    """Returns all that a worker tells, in Prometheus' text format, whether the broker answers or not."""
    families = Families()
    for add in _ADD:
        add(families, known)
    return text(families)


def starting_text() -> bytes:
    """Returns what a worker tells that has no engine yet."""
    families = Families()
    add_worker(families, ready=False)
    add_process(families)
    return text(families)
