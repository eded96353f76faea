"""One part of a job: its items are fetched, decoded, answered, and written as rows."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import redis

from askpix.producer.errors import JobError
from askpix.producer.items import Item, Options, Question
from askpix.producer.job import JobFolder, JobSpec, PinnedModel
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress
from askpix.producer.rows import Answer, Row, Status
from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, ImageHandle, Request
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.images.decode import Decoded, decode
from askpix.worker.images.fetch import Fetcher

_log = logging.getLogger(__name__)

_LIVE_SECONDS = 0.2
"""Between two reports of how far a part is."""


class GivenBackError(Exception):
    """The worker is stopping; the part goes back to the queue."""


class PartRunner:
    """Answers parts with one engine. Parts may run at the same time, each in a thread of its own.

    Each item is a short-lived task of a thread pool: it fetches, decodes, hands its requests to the
    engine and waits. So as many items are under way as there are threads, and the engine sees the
    requests of all of them. Decoding is bounded more tightly, since a decoded image can be large.
    """

    def __init__(
        self, engine: Engine, access: Access, counters: redis.Redis, *, threads: int = 32, contact: str | None = None
    ) -> None:
        self._engine = engine
        self._access = access
        self._redis = counters
        self._fetcher = Fetcher(access, contact=contact, connections=threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="askpix-item")
        self._decoding = threading.Semaphore(os.cpu_count() or 1)
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        # Not waited for: a thread may be in a transfer that takes its whole time limit.
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._fetcher.close()

    def stop(self) -> None:
        """Makes parts in work end soon, with GivenBackError."""
        self._stopping.set()

    def progress(self, message: PartMessage) -> Progress:
        """Returns the counters of a message's job."""
        return Progress(self._redis, message.job)

    def open(self, message: PartMessage) -> tuple[JobFolder, JobSpec]:
        """Returns the job of a message.

        Raises:
            MessageError: the job folder is outside the worker's storage roots.
            JobError: the folder holds no job, or one for another model.
        """
        folder = JobFolder(self._access.open_job(message.job))
        spec = folder.spec()
        if spec is None or message.part >= spec.parts:
            raise JobError(f"{message.job} holds no job with a part {message.part}: submit the job again")
        if spec.model != self._engine.info.model:
            raise JobError(f"{message.job} is for the model {spec.model}, this worker holds {self._engine.info.model}")
        return folder, spec

    def run(self, part: int, folder: JobFolder, spec: JobSpec, progress: Progress) -> None:
        """Answers a part and writes its result, unless it is there already.

        Raises:
            GivenBackError: the worker is stopping.
            EngineStoppedError: the worker's engine has ended.
            JobError: the job's files are damaged, or pinned to other weights.
            StorageError: the result cannot be written.
        """
        if folder.has_result(part):
            rows = folder.read_result(part)
        else:
            info = self._engine.info
            pinned = folder.pin_model(PinnedModel(name=info.model, fingerprint=info.fingerprint))
            if pinned.fingerprint != info.fingerprint:
                raise JobError(
                    f"{folder.uri} was begun with other weights of {info.model}: use the same model folder, "
                    "or a new job folder"
                )
            rows = self._rows(part, folder.read_input(part, spec.id), spec, progress)
            folder.write_result(part, rows)
        failed = sum(row.status is Status.ERROR for row in rows)
        with _counting():
            progress.part_done(part, ok=len(rows) - failed, failed=failed)

    def _rows(self, part: int, items: Sequence[Item], spec: JobSpec, progress: Progress) -> list[Row]:
        futures = [self._pool.submit(self._row, item, spec) for item in items]
        try:
            self._follow(part, futures, progress)
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _follow(self, part: int, futures: Sequence[Future[Row]], progress: Progress) -> None:
        waiting = set(futures)
        while waiting:
            finished, waiting = wait(waiting, timeout=_LIVE_SECONDS, return_when=FIRST_EXCEPTION)
            if self._stopping.is_set():
                raise GivenBackError
            if waiting and any(future.exception() is not None for future in finished):
                return
            with _counting():
                progress.part_live(part, len(futures) - len(waiting))

    def _row(self, item: Item, spec: JobSpec) -> Row:
        """Returns the row of an item, whatever happens to it; raises EngineStoppedError when the worker is no use."""
        started = time.monotonic()
        problem: ItemError | None = None
        answers: list[Answer] = []
        sha256, decoded = None, None
        try:
            data = self._fetcher.fetch(item.image)
            sha256 = hashlib.sha256(data).hexdigest()
            with self._decoding:
                decoded = decode(data, self._engine.image_form)
            del data
            problem = self._ask(decoded, item.questions or spec.questions, spec.options, answers)
        except EngineStoppedError:
            raise
        except ItemError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - one item must never take its part down
            _log.exception("item %s failed unexpectedly", item.id)
            reason = f"{type(error).__name__}: {error}"
            problem = ItemError("internal_error", f"askpix failed on this item: {reason[:300]}", retryable=True)
        info = self._engine.info
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
            attempts=1,
            model=info.model,
            fingerprint=info.fingerprint,
            precision=info.precision,
            device=info.device,
            seconds=round(time.monotonic() - started, 4),
            extra=json.dumps(item.extra, ensure_ascii=False) if item.extra else None,
        )

    def _ask(
        self, decoded: Decoded, questions: Sequence[Question] | None, options: Options, answers: list[Answer]
    ) -> ItemError | None:
        """Fills in the answers; returns the first question's problem, if one has one."""
        handle: ImageHandle = self._engine.open_image(decoded.pixels)
        problem: ItemError | None = None
        tickets = []
        for question in questions or (None,):
            try:
                tickets.append(self._engine.submit(Request(images=(handle,), question=question, options=options)))
            except ItemError as error:
                problem = problem or error
        for ticket in tickets:
            try:
                answers.append(ticket.result())
            except ItemError as error:
                problem = problem or error
        return problem


@contextmanager
def _counting() -> Iterator[None]:
    """Counters are a hint: when they cannot be written, the work goes on."""
    try:
        yield
    except redis.RedisError as error:
        _log.warning("the job's counters could not be written: %s", error)
