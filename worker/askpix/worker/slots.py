"""Which queues a worker listens to: those for whose messages it has a slot free.

A worker has PARTS_AT_ONCE slots for parts and ASKS_AT_ONCE for asks, all of them threads of one Celery
pool. While the slots of one kind are taken, the queues of that kind are left to other workers; so an ask
never waits for a part to end, and no part waits in a worker that has no time for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import bootsteps
from celery.worker import state
from kombu.utils.scheduling import round_robin_cycle

from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.queues import is_ask_queue

PARTS_AT_ONCE = 2
"""One part fetches and decodes while the other's last answers come in."""

ASKS_AT_ONCE = 32

_WAKE_SECONDS = 0.1


class SlotCycle(round_robin_cycle):  # type: ignore[misc]
    """The order in which kombu's Redis transport listens to queues: asks first, and only where a slot is free.

    kombu makes one of these for each channel, by the name of the class, and asks it each time that it
    begins to listen: at once after a message, or when nothing came for `polling_interval`.
    """

    def consume(self, n: int) -> list[str]:
        busy_parts, busy_asks = busy()
        asks = [queue for queue in self.items[:n] if is_ask_queue(queue)]
        parts = [queue for queue in self.items[:n] if not is_ask_queue(queue)]
        return (asks if busy_asks < ASKS_AT_ONCE else []) + (parts if busy_parts < PARTS_AT_ONCE else [])


SLOT_CYCLE = f"{SlotCycle.__module__}:{SlotCycle.__qualname__}"


def busy() -> tuple[int, int]:
    """Returns how many parts and how many asks this process has taken and not ended."""
    names = [request.name for request in _requests()]
    # Celery forgets what is in work when it connects to the broker anew.
    in_work = [name for name, _ in list(_in_work.values())]
    parts, asks = (max(names.count(task), in_work.count(task)) for task in (PART_TASK, ASK_TASK))
    return parts, asks


def all_free() -> bool:
    """Returns whether there is a slot for whatever may come, so that all queues are listened to."""
    parts, asks = busy()
    return parts < PARTS_AT_ONCE and asks < ASKS_AT_ONCE


_in_work: dict[int, tuple[str, float]] = {}
"""What each thread is at, by its task's name, and since when."""


@contextmanager
def working(task: str) -> Iterator[None]:
    """Holds a slot of a task for as long as it is in work in this thread."""
    thread = threading.get_ident()
    _in_work[thread] = (task, time.monotonic())
    try:
        yield
    finally:
        del _in_work[thread]


def longest_ask() -> float:
    """Returns for how many seconds the ask that takes longest has been in work."""
    now = time.monotonic()
    return max((now - since for task, since in list(_in_work.values()) if task == ASK_TASK), default=0.0)


def _requests() -> Iterable[Any]:
    while True:
        try:
            return tuple(state.reserved_requests)
        except RuntimeError:  # a task ended in its thread meanwhile: look again
            continue


_listened_at = float("-inf")


def _listen() -> None:
    global _listened_at
    _listened_at = time.monotonic()


def deaf() -> float:
    """Returns for how many seconds this process has not listened to its queues; infinity where it never has."""
    return time.monotonic() - _listened_at


class Wakeful(bootsteps.StartStopStep):  # type: ignore[misc]
    """Makes the consumer's loop look for the next message ten times a second.

    The end of a task in a thread does not wake the loop in this Celery version, so a free slot could wait
    for a second: 16 parts of one image took 12 s, and less than 3 with this.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        self._entry = consumer.timer.call_repeatedly(_WAKE_SECONDS, _listen)

    def stop(self, _: Any) -> None:
        self._entry.cancel()
