"""The Celery worker: takes parts and asks from its models' queues and runs them."""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from celery import Celery
from celery.exceptions import Reject
from kombu import Queue

from askpix.producer.broker import Broker, celery_app, redis_client
from askpix.producer.dead import DeadLetters
from askpix.producer.dispatch import Dispatcher
from askpix.producer.registry import Registry, WorkerInfo
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.answer_cache.opening import open_cache
from askpix.worker.asking import AskRunner
from askpix.worker.careful import recipe_of
from askpix.worker.ending import GRACE_SECONDS, Ending, celery_worker
from askpix.worker.engines import Engines
from askpix.worker.events import DISPATCHER
from askpix.worker.health import OK, State
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.intake import IntakeConnection, RefusedError
from askpix.worker.keeper import Keeper
from askpix.worker.loading import Loader
from askpix.worker.metrics.exposition import told
from askpix.worker.metrics.known import Known
from askpix.worker.metrics.queues import QueueWatch
from askpix.worker.notify import Notifier
from askpix.worker.part import PartRunner
from askpix.worker.replies import Replies
from askpix.worker.restoring import Restorer
from askpix.worker.roots import Roots
from askpix.worker.slots import ASKS_AT_ONCE, PARTS_AT_ONCE, SLOT_CYCLE, Wakeful, busy, deaf
from askpix.worker.streaming import Streams
from askpix.worker.tallies import Tallies
from askpix.worker.tasks import Reports, add_ask_task, add_part_task
from askpix.worker.watchdog import Watchdog

_LATE_SECONDS = 15.0
_SCRAPE_SECONDS = 0.5
"""That a look at the metrics waits for the storage."""


class Worker:
    """A worker with its engines, from `with` to its end.

    Args:
        engines: closed with the worker.
        access: what it may read and write.
        notify: Celery tasks that it may send when a job ends.
        grace: seconds from the signal that ends it to its end.
        events: whether it sends Celery events, for Flower and its like.
    """

    def __init__(
        self,
        engines: Engines,
        access: Access,
        settings: Settings,
        *,
        notify: Iterable[str] = (),
        grace: float = GRACE_SECONDS,
        events: bool = False,
    ) -> None:
        self._engines = engines
        self._name = f"askpix-{os.getpid()}@{socket.gethostname()}"
        self._events = events
        with ExitStack() as stack:
            stack.callback(engines.close)
            broker = Broker(settings.broker_url)
            stack.callback(broker.close)
            registry, tallies = Registry(broker.redis), Tallies()
            connections = settings.load_threads + ASKS_AT_ONCE
            loader = Loader.of(access, settings, connections=connections, tallies=tallies)
            stack.callback(loader.close)
            answers = open_cache(settings)
            if answers is not None:
                stack.callback(answers.close)
            restorer = Restorer(access, Dispatcher(broker, settings.window), broker.redis)
            rules = FetchRules.of(settings, connections=connections)
            self._parts = PartRunner(
                engines,
                access,
                loader,
                broker.redis,
                name=self._name,
                recipe=partial(recipe_of, access=access, rules=rules, settings=settings),
                settings=settings,
                seen=restorer.see,
                tallies=tallies,
                answers=answers,
            )
            stack.callback(self._parts.close)
            self._roots = Roots(access.storage_roots)
            self._ending = Ending(self._parts, grace)
            notifier = Notifier(broker, access, notify)
            self._notify = tuple(sorted(notifier.allowed))
            self._keeper = Keeper(broker, registry, self._info, notifier, restorer, tallies.losses.add)
            self._watchdog = Watchdog(
                self._ending,
                engines=engines,
                loader=loader,
                parts=self._parts,
                item_seconds=settings.item_seconds,
                part_seconds=settings.part_seconds,
                unanswered=self._keeper.unanswered,
            )
            self._app = celery_app(settings.broker_url)
            replies = Replies(self._app)
            letters = DeadLetters(broker.redis)
            reports = Reports(registry=registry, letters=letters, ending=self._ending, tallies=tallies)

            def refused(error: RefusedError) -> None:
                reports.refuse(error)
                if error.ask is None:
                    reports.bury(error.entry, error.queue, error)
                else:
                    # Whoever asked is told, and asks again.
                    replies.fail(error.ask, error)

            _configure(self._app, engines, refused)
            add_part_task(self._app, self._parts, reports)
            asks = AskRunner(engines, access, loader, tallies, answers)
            streams = Streams(settings.broker_url)
            stack.callback(streams.close)
            add_ask_task(self._app, asks, replies, streams, reports)
            # A client of its own: it may wait for a broker that hangs while others have something to say.
            looking = redis_client(settings.broker_url)
            stack.callback(looking.close)
            queues = QueueWatch(looking, [*engines.ask_queues(), *engines.part_queues()])
            self._known = Known(engines=engines, tallies=tallies, queues=queues, ready=self.ready)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self) -> int:
        """Serves the queues until a signal ends it; returns the exit code: 0 where a signal ended it, 3 where its
        engine failed, 4 where something hung."""
        worker = celery_worker(self._ending)(
            app=self._app,
            pool="threads",
            concurrency=PARTS_AT_ONCE + ASKS_AT_ONCE,
            hostname=self._name,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=not self._events,
            task_events=self._events,
            quiet=True,
        )
        # A part that goes back to the queue as it should is no event to show a traceback for.
        logging.getLogger("celery.app.trace").addFilter(_without_rejects)
        self._keeper.start()
        self._watchdog.start()
        try:
            worker.start()
        finally:
            self._ending.over()
            self._watchdog.stop()
            self._keeper.stop()
        return int(worker.exitcode or 0)

    def alive(self) -> State:
        """Returns whether the worker gets on with what it has."""
        trouble = self._watchdog.trouble()
        return {"worker": trouble[1] if trouble else OK}

    def ready(self, patience: float = _SCRAPE_SECONDS) -> State:
        """Returns whether it can take work.

        Args:
            patience: seconds to wait for the first word of the storage.
        """
        silence, deafness = self._keeper.unanswered(), deaf()
        return {
            **self.alive(),
            "queues": "the worker is ending" if self._ending.begun else _late("it has not listened", deafness),
            "broker": _late("it has not answered", silence),
            "storage": self._roots.problem(patience) or OK,
        }

    def metrics(self) -> bytes:
        """Returns what it tells Prometheus."""
        return told(self._known)

    def _info(self) -> WorkerInfo:
        parts, asks = busy()
        return WorkerInfo(
            name=self._name,
            models=self._engines.served(),
            parts=parts,
            slots=PARTS_AT_ONCE,
            asks=asks,
            notify=self._notify,
        )


def _late(what: str, seconds: float) -> str:
    if seconds <= _LATE_SECONDS:
        return OK
    return f"{what} yet" if math.isinf(seconds) else f"{what} for {seconds:.0f} seconds"


def _configure(app: Celery, engines: Engines, refused: Callable[[RefusedError], None]) -> None:
    """Makes the app a worker's: with what queues it reads, and how."""
    app.amqp.Connection = IntakeConnection
    app.conf.task_queues = [Queue(name) for name in (*engines.ask_queues(), *engines.part_queues())]
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "queue_order_strategy": SLOT_CYCLE,
        "refuse": refused,
    }
    # Results are stored from many threads; one client serves them all.
    app.conf.result_backend_thread_safe = True
    app.steps["consumer"].add(Wakeful)
    app.events.dispatcher_cls = DISPATCHER


def _without_rejects(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], Reject))
