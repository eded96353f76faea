"""What waits in a worker's queues."""

from __future__ import annotations

from askpix.producer.queues import is_ask_queue
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.known import Known


def add(families: Families, known: Known) -> None:
    waiting = known.queues.read()
    kinds = {queue: "asks" if is_ask_queue(queue) else "parts" for queue in waiting or ()}
    families.gauge(
        "askpix_broker_up", "Whether the broker said what waits in its queues.", [], {(): waiting is not None}
    )
    families.gauge(
        "askpix_queue_messages",
        "Messages that wait in a queue of this worker.",
        ["queue", "kind"],
        {(queue, kinds[queue]): found.messages for queue, found in (waiting or {}).items()},
    )
    families.gauge(
        "askpix_queue_oldest_seconds",
        "For how long the oldest message of a queue has waited; absent where it does not say.",
        ["queue", "kind"],
        {(queue, kinds[queue]): found.oldest for queue, found in (waiting or {}).items() if found.oldest is not None},
    )
