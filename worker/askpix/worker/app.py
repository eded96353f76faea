"""The Celery worker: takes `askpix.part` messages from its model's queues and runs them."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import redis
from celery import Celery, bootsteps, signals
from celery.exceptions import Reject
from celery.worker import state
from kombu import Queue
from pydantic import SecretStr

from askpix.producer.broker import celery_app
from askpix.producer.errors import AskpixError, MessageError
from askpix.producer.messages import PART_TASK, PartMessage
from askpix.producer.progress import Progress
from askpix.worker.engine.base import EngineInfo
from askpix.worker.errors import EngineStoppedError
from askpix.worker.part import GivenBackError, PartRunner

_log = logging.getLogger(__name__)

EXIT_ENGINE_STOPPED = 3

_WAKE_SECONDS = 0.1

PARTS_AT_ONCE = 2
"""One part fetches and decodes while the other's last answers come in."""


def queues_of(info: EngineInfo) -> list[str]:
    """Returns the queues that a worker serves: its model's, and that of its model on its kind of device."""
    kind = info.device.partition(":")[0].partition(".")[0].lower()
    return [info.model, f"{info.model}.{kind}"]


class _Wakeful(bootsteps.StartStopStep):  # type: ignore[misc]
    """Makes the consumer's loop look for the next message ten times a second.

    The end of a task in a thread does not wake the loop in this Celery version, so a free slot could wait
    for a second: 16 parts of one image took 12 s, and less than 3 with this.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        self._entry = consumer.timer.call_repeatedly(_WAKE_SECONDS, lambda: None)

    def stop(self, _: Any) -> None:
        self._entry.cancel()


def worker_app(broker_url: SecretStr, info: EngineInfo, runner: PartRunner) -> Celery:
    """Returns the app of a worker with that engine."""
    app = celery_app(broker_url)
    app.conf.task_queues = [Queue(name) for name in queues_of(info)]
    app.steps["consumer"].add(_Wakeful)
    _add_part_task(app, runner)
    return app


def _add_part_task(app: Celery, runner: PartRunner) -> None:
    @app.task(name=PART_TASK)  # type: ignore[untyped-decorator]
    def part(*arguments: Any, **named: Any) -> None:
        """Answers one part of a job; see PartMessage."""
        try:
            message = PartMessage.parse(arguments[0] if len(arguments) == 1 and not named else [*arguments, named])
        except MessageError as error:
            _log.error("a message was refused: %s", error)
            return
        progress = runner.progress(message)
        try:
            folder, spec = runner.open(message)
            runner.run(message.part, folder, spec, progress)
            _log.info("part %d of %s is done", message.part, folder.uri)
        except GivenBackError:
            raise Reject("the worker is stopping", requeue=True) from None
        except MessageError as error:
            _report(error, message, progress, "a message was refused: ")
        except EngineStoppedError as error:
            # This worker is of no more use: it gives the part to others and ends.
            _report(error, message, progress)
            state.should_stop = EXIT_ENGINE_STOPPED
            raise Reject("the engine has stopped", requeue=True) from None
        except BaseException as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
            _report(error, message, progress)


def _report(error: BaseException, message: PartMessage, progress: Progress, prefix: str = "") -> None:
    known = isinstance(error, AskpixError)
    text = str(error) if known else f"part {message.part} failed: {type(error).__name__}: {error}"
    _log.error("%s%s", prefix, text, exc_info=None if known else error)
    try:
        progress.part_error(message.part, text)
    except redis.RedisError as lost:
        _log.warning("the failure could not be counted: %s", lost)


def run_worker(app: Celery, runner: PartRunner) -> int:
    """Serves the queues until a signal ends it; returns the exit code."""

    def stopping(**_: Any) -> None:
        runner.stop()

    signals.worker_shutting_down.connect(stopping)
    worker = app.Worker(
        pool="threads",
        concurrency=PARTS_AT_ONCE,
        hostname=f"askpix-{os.getpid()}@{socket.gethostname()}",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
