"""Says that a job has ended, by a Celery task of somebody else's that this worker is allowed to send."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from askpix.producer.broker import Broker
from askpix.producer.errors import MessageError
from askpix.producer.messages import notify_target
from askpix.producer.progress import Reading
from askpix.worker.access import Access

_log = logging.getLogger(__name__)


class Notifier:
    """Sends the tasks that its worker's `--allow-notify` names.

    Args:
        allowed: as TASK or TASK@QUEUE, exactly as jobs name them.
    """

    def __init__(self, broker: Broker, access: Access, allowed: Iterable[str]) -> None:
        self._broker = broker
        self._access = access
        self.allowed = frozenset(allowed)

    def notify(self, job: str, reading: Reading) -> None:
        """Sends the job's task, once for each round: a file in the job folder says that it was sent.

        Raises:
            MessageError: the task is not allowed here, or the job folder is outside the storage roots.
            BrokerError: the broker did not take it.
            StorageError: the folder cannot be read or written.
        """
        target = reading.notify or ""
        if target not in self.allowed:
            raise MessageError(f"{job} asks for the task {target[:100]}, which is not among --allow-notify", "notify")
        storage = self._access.open_job(job)
        marker = f"control/notified-{reading.round:03d}"
        if storage.exists(marker):
            return
        task, queue = notify_target(target)
        payload = {
            "v": 1,
            "job": job,
            "id": reading.id,
            "round": reading.round,
            "items": reading.items,
            "ok": reading.ok,
            "failed": reading.failed,
        }
        # Sent first: if this worker ends in between, it is sent twice rather than never.
        self._broker.notify(task, payload, queue)
        storage.write(marker, b"")
        _log.info("%s was sent for %s", target, job)
