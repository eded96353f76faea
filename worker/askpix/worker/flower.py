"""Flower, the web page of Celery, for askpix' queues: it looks on, behind a password, and can do nothing.

Workers take no remote commands, so Flower can neither ask them nor tell them anything: what it knows comes from the
events of workers that were started with `--events`, and from what workers announce in Redis.
"""

from __future__ import annotations

import logging
import re
import signal
from asyncio import Future
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import redis
from celery import Celery
from celery.app.control import Control
from flower.app import Flower
from flower.options import options
from flower.urls import settings as page_settings
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.web import authenticated

from askpix.producer.broker import celery_app, redis_client
from askpix.producer.errors import AskpixError
from askpix.producer.password_file import password_in
from askpix.producer.redis_keys import queue_key
from askpix.producer.registry import Registry
from askpix.producer.settings import Settings

_log = logging.getLogger(__name__)

_LEAST = 8
"""Characters of a password."""

_GONE_SECONDS = 3600
"""After which a worker that has ended is not listed any more."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where Flower is, and who may look at it."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    tasks: int
    """That it keeps in memory; the oldest go first."""


def page_password(file: Path) -> str:
    """Returns the password that a file holds.

    Raises:
        AskpixError: there is none, or none that a browser can send.
    """
    password = password_in(file, "--password-file")
    if not re.fullmatch(f"[!-~]{{{_LEAST},200}}", password):
        raise AskpixError(
            f"--password-file: {file} holds no password for a page: it is one line of {_LEAST} to 200 letters, digits "
            "and signs, without spaces"
        )
    return password


def serve(page: Page, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serves the page until a signal ends it.

    Args:
        ready: told its address when it listens.

    Raises:
        AskpixError: it cannot listen there.
    """
    # Whatever Flower would read from the environment or a flowerconfig.py stays unread: this is all that it is told.
    options.basic_auth = [f"{page.user}:{page.password}"]
    options.address, options.port = page.address, page.port
    options.read_only = True
    options.enable_events = False
    options.max_tasks = page.tasks
    options.purge_offline_workers = _GONE_SECONDS
    flower = _LookingOn(_app(settings), redis_client(settings.broker_url))
    BaseHandler.get_broker = _queues_of
    try:
        port = flower.start_http_server()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise AskpixError(f"Flower cannot listen on {page.address}:{page.port}: {why}") from None

    def end(_number: int, _frame: FrameType | None) -> None:
        flower.io_loop.add_callback_from_signal(flower.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    host = f"[{page.address}]" if ":" in page.address else page.address
    ready(f"http://{host}:{port}")
    flower.start()


class _Silent(Control):  # type: ignore[misc]
    """Sends workers nothing: they would not listen, and a broker's user that may look on alone may not send."""

    def broadcast(self, *arguments: Any, **named: Any) -> None:  # noqa: ARG002 - as in the base class
        return None


def _app(settings: Settings) -> Celery:
    app = celery_app(settings.broker_url, results=False)
    app.control_cls = f"{__name__}:_Silent"
    return app


class _Queues:
    """How many messages wait: by our own client, which knows sentinels and certificates."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        own = list(names)
        with self._redis.pipeline(transaction=False) as pipe:
            for name in own:
                pipe.llen(queue_key(name))
            return [{"name": name, "messages": count} for name, count in zip(own, pipe.execute(), strict=True)]


def _queues_of(handler: BaseHandler) -> _Queues:
    queues: _Queues = handler.application.queues
    return queues


class _Metrics(Metrics):  # type: ignore[misc]
    """Flower shows them to everybody; there are names of machines in them."""

    get = authenticated(Metrics.get)


class _LookingOn(Flower):  # type: ignore[misc]
    """Flower with what workers announce in place of what it would ask them."""

    def __init__(self, app: Celery, client: redis.Redis) -> None:
        super().__init__(capp=app, options=options, **page_settings)
        self._registry = Registry(client)
        self.queues = _Queues(client)
        self.add_handlers(".*", [("/metrics", _Metrics)])

    @property
    def workers(self) -> dict[str, Any]:
        """The live workers, with their queues."""
        try:
            live = self._registry.workers()
        except redis.RedisError as error:
            _log.warning("the broker does not say who works: %s", error)
            return {}
        return {
            worker.name: {"active_queues": [{"name": name} for model in worker.models for name in model.queues]}
            for worker in live
        }

    def update_workers(self, workername: str | None = None) -> Future[None]:  # noqa: ARG002 - as in the base class
        asked: Future[None] = Future(loop=self.io_loop.asyncio_loop)
        asked.set_result(None)
        return asked
