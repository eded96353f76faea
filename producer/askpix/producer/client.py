"""Submits jobs and follows them."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from pydantic import SecretStr

from askpix.producer.broker import Broker, short
from askpix.producer.errors import BrokerError, InputError, JobError
from askpix.producer.inputs import resolve
from askpix.producer.items import MODEL_NAME, Item, Options, Question
from askpix.producer.job import (
    MAX_PART_SIZE,
    PART_SIZE,
    JobFolder,
    JobSpec,
    item_fingerprint_line,
    job_fingerprint_header,
)
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress
from askpix.producer.rows import Row, Status
from askpix.producer.settings import load_settings
from askpix.producer.storage import open_storage


@dataclass(frozen=True, kw_only=True, slots=True)
class JobProgress:
    """How far a job is."""

    items: int
    done: int
    ok: int
    failed: int
    """`ok` and `failed` count finished parts; `done` also the items of parts in work."""

    finished: bool
    error: str | None = None
    """Why a part could not be finished, if one could not."""


class Job:
    """A submitted job: its folder, and its counters while it runs."""

    def __init__(self, folder: JobFolder, spec: JobSpec, progress: Progress | None = None) -> None:
        self.folder = folder
        self.spec = spec
        self._progress = progress

    @classmethod
    def open(cls, uri: str) -> Job:
        """Returns the job in a folder, to read its results.

        Raises:
            JobError: there is none.
        """
        folder = JobFolder(open_storage(uri))
        spec = folder.spec()
        if spec is None:
            raise JobError(f"{uri} holds no job: give the folder that was the --output of a run")
        return cls(folder, spec)

    def watch(self, interval: float = 0.25) -> Iterator[JobProgress]:
        """Yields the job's progress every `interval` seconds, last when it has ended or a part of it failed."""
        while True:
            progress = self.progress()
            yield progress
            if progress.finished or progress.error:
                return
            time.sleep(interval)

    def progress(self) -> JobProgress:
        """Returns how far the job is: by the counters while it runs, by the folder when it has ended.

        Raises:
            BrokerError: the counters cannot be read.
        """
        finished = sum(1 for _ in self.folder.parts_done()) >= self.spec.parts
        if finished or self._progress is None:
            rows = [row.status for row in self.results()]
            ok = rows.count(Status.OK)
            return JobProgress(items=self.spec.items, done=len(rows), ok=ok, failed=len(rows) - ok, finished=finished)
        try:
            reading = self._progress.read()
        except redis.RedisError as error:
            raise BrokerError(f"the broker does not answer: {short(error)}") from error
        return JobProgress(
            items=self.spec.items,
            done=min(reading.done, self.spec.items),
            ok=reading.ok,
            failed=reading.failed,
            finished=False,
            error=reading.error,
        )

    def results(self) -> Iterator[Row]:
        """Yields the rows of the parts that are done, in the order of the input."""
        for part in self.folder.parts_done():
            yield from self.folder.read_result(part)


class Client:
    """Puts jobs on the queue.

    Args:
        broker_url: redis://, rediss:// or redis+socket://. Without one, ASKPIX_BROKER_URL.
    """

    def __init__(self, broker_url: str | None = None) -> None:
        url = SecretStr(broker_url) if broker_url else load_settings().broker_url
        self._broker = Broker(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._broker.close()

    def submit(
        self,
        items: Iterable[Item | str],
        *,
        output: str,
        model: str,
        questions: Sequence[Question | str] | None = None,
        options: Options | None = None,
        part_size: int = PART_SIZE,
    ) -> Job:
        """Writes a job folder and queues its parts; a job that is there already is carried on.

        Args:
            items: images or items; relative paths count from the current folder.
            output: URI of the job folder.
            model: name of the model that is to answer.
            questions: asked of every item without its own; None captions.

        Raises:
            InputError: the items cannot be read, or there are none, or ids come twice.
            JobError: the folder holds another job.
            BrokerError: the broker does not take the parts. The job folder is complete: submit again.
            StorageError: the folder cannot be written.
        """
        asked = None if questions is None else tuple(_question(question) for question in questions)
        job = write_job(
            items,
            JobFolder(open_storage(output)),
            root=Path.cwd(),
            model=model,
            questions=asked or None,
            options=options or Options(),
            part_size=part_size,
        )
        return self.enqueue(job)

    def enqueue(self, job: Job) -> Job:
        """Queues the parts of a job that have no result."""
        progress = Progress(self._broker.redis, job.folder.uri)
        done = set(job.folder.parts_done())
        try:
            progress.reset()
            for part in sorted(done):
                status = [row.status for row in job.folder.read_result(part)]
                progress.part_done(part, ok=status.count(Status.OK), failed=status.count(Status.ERROR))
        except redis.RedisError as error:
            raise BrokerError(f"the broker does not answer: {short(error)}") from error
        for part in range(job.spec.parts):
            if part not in done:
                self._broker.send_part(PartMessage(job=job.folder.uri, part=part), queue=job.spec.model)
        return Job(job.folder, job.spec, progress)


def write_job(
    items: Iterable[Item | str],
    folder: JobFolder,
    *,
    root: Path,
    model: str,
    questions: tuple[Question, ...] | None,
    options: Options,
    part_size: int = PART_SIZE,
) -> Job:
    """Writes a job folder, its job.json last; one that holds the same job is left as it is.

    Relative image paths count from `root`.

    Raises:
        InputError: the items cannot be read, or there are none, or ids come twice.
        JobError: the folder holds another job.
        StorageError: the folder cannot be written.
    """
    if not MODEL_NAME.fullmatch(model):
        raise JobError(f"{model!r} is no model name: use letters, digits, '.', '_' and '-'")
    if not 1 <= part_size <= MAX_PART_SIZE:
        raise JobError(f"a part holds 1 to {MAX_PART_SIZE} items, not {part_size}")
    existing = folder.spec()
    if existing is None and folder.parts_done():
        raise JobError(f"{folder.uri} holds results but no job.json: choose another folder")
    digest = hashlib.sha256(job_fingerprint_header(model, questions, options, part_size))
    job_id, count, parts = uuid.uuid4().hex, 0, 0
    completed = _completed(items, root)
    while batch := list(islice(completed, part_size)):
        for item in batch:
            digest.update(item_fingerprint_line(item))
        if existing is None:
            folder.write_input(parts, batch, job_id)
        count, parts = count + len(batch), parts + 1
    if count == 0:
        raise InputError("there are no images in the input")
    if existing is None:
        existing = JobSpec(
            id=job_id,
            model=model,
            questions=questions,
            options=options,
            items=count,
            parts=parts,
            part_size=part_size,
            fingerprint=digest.hexdigest(),
        )
        folder.write_spec(existing)
    elif existing.fingerprint != digest.hexdigest():
        raise JobError(
            f"{folder.uri} holds another job (other images, questions, options or model): choose another folder"
        )
    return Job(folder, existing)


def _completed(items: Iterable[Item | str], root: Path) -> Iterator[Item]:
    """Yields items with absolute paths and ids: given ones, which must differ, or made from the reference."""
    used: set[str] = set()
    repeats: dict[str, int] = {}
    for entry in items:
        item = Item(image=entry) if isinstance(entry, str) else entry
        if item.id is None:
            identity = _default_id(item.image, used, repeats)
        elif item.id in used:
            raise InputError(f"the id {item.id!r} comes twice: ids must differ, or be left out")
        else:
            identity = item.id
        used.add(identity)
        yield replace(item, id=identity, image=resolve(item.image, root))


def _default_id(reference: str, used: set[str], repeats: dict[str, int]) -> str:
    """Returns the image reference, with #2 and so on where it is taken; of a data URI, a digest."""
    if reference.startswith("data:"):
        reference = f"data:{hashlib.sha256(reference.encode()).hexdigest()[:16]}"
    candidate, number = reference, repeats.get(reference, 1)
    while candidate in used:
        number += 1
        candidate = f"{reference}#{number}"
    if number > 1:
        repeats[reference] = number
    return candidate


def _question(question: Question | str) -> Question:
    return Question.parse(question) if isinstance(question, str) else question
