"""One item: its image is fetched and decoded, its questions are answered, and all of it becomes a row."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Sequence

from askpix.producer.items import Item, Options, Question
from askpix.producer.rows import Answer, Row, Status
from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, Request
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.images.decode import Decoded, decode
from askpix.worker.images.fetch import Fetcher

_log = logging.getLogger(__name__)


class Answerer:
    """Answers items. Used from many threads: each waits for its own item, and the engine sees them all.

    Decoding is bounded more tightly than fetching, since a decoded image can be large.
    """

    def __init__(self, access: Access, *, connections: int, contact: str | None = None) -> None:
        self._fetcher = Fetcher(access, contact=contact, connections=connections)
        self._decoding = threading.Semaphore(os.cpu_count() or 1)

    def close(self) -> None:
        self._fetcher.close()

    def row(
        self,
        item: Item,
        engine: Engine,
        *,
        questions: Sequence[Question] | None,
        options: Options,
        own_bucket: str | None = None,
        attempts: int = 1,
        urgent: bool = False,
        deadline: float | None = None,
    ) -> Row:
        """Returns the row of an item, whatever happens to it.

        Args:
            questions: asked where the item has none of its own; None captions.
            own_bucket: the bucket of the item's job, from which it may name objects.
            urgent: overtake what is not.
            deadline: as `time.monotonic()` counts; what the engine has not answered by then fails.

        Raises:
            EngineStoppedError: the worker is of no more use.
        """
        started = time.monotonic()
        problem: ItemError | None = None
        answers: list[Answer] = []
        sha256, decoded = None, None
        try:
            data = self._fetcher.fetch(item.image, own_bucket=own_bucket)
            sha256 = hashlib.sha256(data).hexdigest()
            with self._decoding:
                decoded = decode(data, engine.image_form)
            del data
            problem = _ask(
                engine, decoded, item.questions or questions, options, answers, urgent=urgent, deadline=deadline
            )
        except EngineStoppedError:
            raise
        except ItemError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - one item must never take its part down
            _log.exception("item %s failed unexpectedly", item.id)
            reason = f"{type(error).__name__}: {error}"
            problem = ItemError("internal_error", f"askpix failed on this item: {reason[:300]}", retryable=True)
        info = engine.info
        return Row(
            id=item.id or item.image,
            group=item.group,
            image=item.image,
            status=Status.OK if problem is None else Status.ERROR,
            answers=tuple(answers),
            error_code=None if problem is None else problem.code,
            error_message=None if problem is None else problem.message,
            retryable=None if problem is None else problem.retryable,
            width=None if decoded is None else decoded.width,
            height=None if decoded is None else decoded.height,
            sha256=sha256,
            attempts=attempts,
            model=info.model,
            fingerprint=info.fingerprint,
            precision=info.precision,
            device=info.device,
            seconds=round(time.monotonic() - started, 4),
            extra=json.dumps(item.extra, ensure_ascii=False) if item.extra else None,
        )


def _ask(
    engine: Engine,
    decoded: Decoded,
    questions: Sequence[Question] | None,
    options: Options,
    answers: list[Answer],
    *,
    urgent: bool,
    deadline: float | None,
) -> ItemError | None:
    """Fills in the answers; returns the first question's problem, if one has one."""
    handle = engine.open_image(decoded.pixels)
    problem: ItemError | None = None
    tickets = []
    for question in questions or (None,):
        try:
            request = Request(images=(handle,), question=question, options=options, urgent=urgent, deadline=deadline)
            tickets.append(engine.submit(request))
        except ItemError as error:
            problem = problem or error
    for ticket in tickets:
        try:
            answers.append(ticket.result())
        except ItemError as error:
            problem = problem or error
    return problem
