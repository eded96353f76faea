"""What whoever asked is told: the result row, or why there is none, where Celery clients look for it."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from celery import Celery
from celery.states import FAILURE, SUCCESS

from askpix.producer.broker_errors import short
from askpix.producer.errors import AskpixError

_log = logging.getLogger(__name__)

_AWAY_SECONDS = 15.0
"""That a broker may be away when an answer is there: Celery tries no second time where it does not answer at all."""

_PAUSE_SECONDS = 0.5


class Replies:
    """The results of asks, in the app's result backend.

    They are stored by hand. Celery would send tracebacks along, which are nobody's business but ours, and where
    Redis is full it would lose the thread's slot with the answer.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def answer(self, id_: str, row: dict[str, Any]) -> None:
        """Tells the result row of an ask, as JSON values."""
        self._store(id_, row, SUCCESS)

    def fail(self, id_: str, error: AskpixError) -> None:
        """Tells why an ask has no answer."""
        kind = type(error)
        # What a sender's Celery can make again is an error of the producer's side.
        told = next(known for known in kind.__mro__ if known.__module__ == AskpixError.__module__)
        meta = {"exc_type": told.__name__, "exc_message": [str(error)], "exc_module": told.__module__}
        self._store(id_, meta, FAILURE)

    def _store(self, id_: str, value: dict[str, Any], state: str) -> None:
        ends = time.monotonic() + _AWAY_SECONDS
        while (error := self._refused(id_, value, state)) is not None:
            if not isinstance(error, redis.ConnectionError | redis.TimeoutError) or time.monotonic() > ends:
                _log.error("the answer to an ask could not be kept: %s", short(error))
                return
            time.sleep(_PAUSE_SECONDS)

    def _refused(self, id_: str, value: dict[str, Any], state: str) -> Exception | None:
        """Stores a result; returns why it could not be."""
        try:
            self._app.backend.store_result(id_, value, state)
        except Exception as error:  # noqa: BLE001 - Celery's thread pool would lose the slot for ever
            return error
        return None
