"""The queue: one Celery configuration for producers and workers, and Redis beside it for counters."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery
from celery.app.backends import by_name
from celery.states import READY_STATES
from pydantic import SecretStr

from askpix.producer.broker_errors import LOST, explained, refused
from askpix.producer.broker_url import Place, place_of
from askpix.producer.connections import pool_at
from askpix.producer.errors import BrokerError
from askpix.producer.messages import ASK_TASK, PART_TASK, QUEUED_HEADER, AskMessage, PartMessage
from askpix.producer.redis_keys import ANSWERS, KEY_PREFIX
from askpix.producer.transport import TRANSPORT, BrokerConnection, kombu_url

RESULT_SECONDS = 3600
"""That the result of an ask waits to be fetched."""

_LISTEN_SECONDS = 5.0
"""Without a word, after which whoever waits looks for himself: the word, or the broker, may be lost."""


class _App(Celery):  # type: ignore[misc]
    """Celery lets CELERY_BROKER_URL and CELERY_RESULT_BACKEND of the environment win; here they are others'."""

    place: Place
    our_url: str
    keeps_results: bool

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_read(url or self.our_url, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_write(url or self.our_url, **options)

    def _get_backend(self) -> Any:
        # By name, so that only who keeps results imports what keeps them.
        backend = by_name("askpix.producer.answers:Answers" if self.keeps_results else "disabled", self.loader)
        return backend(app=self, url=self.our_url)


def celery_app(broker_url: SecretStr, *, results: bool = True) -> Celery:
    """Returns a Celery app on that broker.

    Args:
        results: whether it stores results.

    Raises:
        BrokerError: the URL is not one of a Redis server.
    """
    place = place_of(broker_url)
    url = kombu_url(place)
    app = _App("askpix", broker=url, set_as_current=False, fixups=[])
    app.place = place
    app.our_url = url
    app.keeps_results = results
    app.amqp.Connection = BrokerConnection
    app.conf.update(
        # Messages hold plain data and nothing is ever unpickled.
        accept_content=["json"],
        task_serializer="json",
        # Parts' results are in the job folder; a result backend would cost five commands a part. Asks say
        # of themselves that theirs is kept.
        task_ignore_result=True,
        result_serializer="json",
        result_expires=RESULT_SECONDS,
        result_backend_transport_options={"global_keyprefix": KEY_PREFIX},
        redis_socket_timeout=10,
        redis_socket_connect_timeout=5,
        redis_socket_keepalive=True,
        # A message leaves the broker when its part is done, so a worker's end gives it back.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # A worker holds what it works on and no more, also after a reconnect, which prefetch counts forget.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # A mistyped queue is an error rather than a new queue that nobody serves.
        task_create_missing_queues=False,
        # Threads cannot be ended from outside; trying to only logs errors.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # A worker waits for its broker for ever, also when the server is read-only or full for a while.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport=TRANSPORT,
        broker_transport_options={
            "place": place,
            "global_keyprefix": KEY_PREFIX,
            # Longer than any part takes: the transport would hand a slow part to a second worker.
            "visibility_timeout": 12 * 3600,
            # A server that hangs is an error within seconds; without these a publish waits for ever.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            # Seconds that a worker listens to the queues it chose before it chooses again.
            "polling_interval": 0.1,
        },
        task_publish_retry_policy={"max_retries": 5, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 3},
        # The command line owns logging.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        # Whoever can send a part could otherwise shut workers down, or have them take from other queues.
        worker_enable_remote_control=False,
        enable_utc=True,
    )
    return app


class Broker:
    """A producer's end of the queue."""

    def __init__(self, broker_url: SecretStr) -> None:
        # Celery's own way of waiting for results tries for minutes to reach a broker that was lost, also when a
        # result that nobody waits for is forgotten, and its connections are never closed.
        self._app = celery_app(broker_url, results=False)
        self._app.conf.task_create_missing_queues = True
        self.redis = redis_client(broker_url)

    def send_parts(self, messages: Iterable[PartMessage], queue: str) -> None:
        """Puts parts on a queue, in order.

        Raises:
            BrokerError: the broker did not take them all.
        """
        try:
            with self._app.producer_or_acquire() as producer:
                for message in messages:
                    self._app.send_task(
                        PART_TASK,
                        args=[message.model_dump()],
                        queue=queue,
                        ignore_result=True,
                        producer=producer,
                        headers={QUEUED_HEADER: time.time()},
                    )
        except LOST as error:
            raise refused("the job's parts", error) from error

    def send_ask(self, message: AskMessage, queue: str, expires: float, id_: str | None = None) -> str:
        """Puts an ask on a queue; returns the id of its result.

        Args:
            expires: seconds after which no worker begins with it any more.
            id_: which it is to have.

        Raises:
            BrokerError: the broker did not take it.
        """
        try:
            sent = self._app.send_task(
                ASK_TASK,
                args=[message.model_dump(exclude_none=True)],
                queue=queue,
                expires=expires,
                task_id=id_,
                headers={QUEUED_HEADER: time.time()},
            )
        except LOST as error:
            raise refused("the question", error) from error
        return str(sent.id)

    def notify(self, task: str, payload: dict[str, Any], queue: str) -> None:
        """Sends a task of somebody else's.

        Raises:
            BrokerError: the broker did not take it.
        """
        try:
            self._app.send_task(task, args=[payload], queue=queue, ignore_result=True)
        except LOST as error:
            raise refused(f"the notification {task}", error) from error

    def result(self, id_: str, timeout: float) -> dict[str, Any] | None:
        """Waits for the result of an ask; returns what Celery stores of it, None where it did not come in time.

        Raises:
            BrokerError: the broker does not answer, or what it holds is no result.
        """
        # Under this key it is stored, and on a channel of the same name it is said that it is.
        key = f"{ANSWERS}{id_}"
        ends = time.monotonic() + timeout
        try:
            with self.redis.pubsub() as channel:  # type: ignore[no-untyped-call]
                channel.subscribe(key)
                while True:
                    left = max(ends - time.monotonic(), 0)
                    # The first message says that we listen: what was stored before is there by then.
                    channel.get_message(timeout=min(left, _LISTEN_SECONDS))
                    stored: Any = self.redis.get(key)
                    if (meta := result_of(stored)) is not None:
                        return meta
                    if left == 0:
                        return None
        except LOST as error:
            raise explained(error) from error

    def close(self) -> None:
        self._app.close()
        self.redis.close()


def result_of(stored: str | None) -> dict[str, Any] | None:
    """Returns what Celery stores of a result, by what is stored; None where it is not there yet.

    Raises:
        BrokerError: it is none.
    """
    if stored is None:
        return None
    try:
        meta = json.loads(stored)
    except (ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict) or not isinstance(meta.get("status"), str) or "result" not in meta:
        raise BrokerError("what the broker holds as the answer is none: it is somebody else's")
    return meta if meta["status"] in READY_STATES else None


def redis_client(broker_url: SecretStr) -> redis.Redis:
    """Returns a client of the broker's Redis server, for counters.

    Raises:
        BrokerError: the URL is not one of a Redis server.
    """
    pool = pool_at(place_of(broker_url), socket_timeout=10, socket_connect_timeout=5, decode_responses=True)
    # The client closes the pool with itself.
    return redis.Redis.from_pool(pool)


@contextmanager
def answering() -> Iterator[None]:
    """Has what goes wrong with the broker's Redis server raised as a BrokerError."""
    try:
        yield
    except redis.RedisError as error:
        raise explained(error) from error
