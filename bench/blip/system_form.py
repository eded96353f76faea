"""Form (e): the engine behind a broker, a web server and storage: `submit`, and a worker that does the rest."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.blip.figures import rate
from bench.blip.forms import Form, Measured
from bench.blip.server import picture_server
from bench.blip.tasks import Pixels, Said, Task

from askpix.producer.followed import Job
from askpix.producer.items import Item, Options
from askpix.producer.questions import Question
from askpix.worker.engine.devices import Precision
from askpix.worker.local import LocalSystem

LEAD = 64
"""Items done before the clock starts."""

TAIL = 192
"""Items that are still to do when it stops: more than a worker has under way, so that it stays busy till then."""

_POLL_SECONDS = 0.02
_SETTLED = 0.05
"""Of one core: a worker that uses less, over a second, has nothing to do."""


class SystemForm(Form):
    """A real broker (the embedded one), a real worker, and pictures of 640x480 from a web server, each a process.

    The clock runs, as in form (d), in the midst of a job: over readings of its progress, each taken when the count
    changed. Every item is a URL of its own with bytes of its own.
    """

    def __init__(self, folder: Path, precision: str) -> None:
        with ExitStack() as stack:
            self._jobs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-bench-")))
            self._server = stack.enter_context(picture_server())
            system = LocalSystem(
                folder, precision=Precision(precision), storage_root=self._jobs, allow_net=["127.0.0.1/32"]
            )
            self._system = stack.enter_context(system)
            self._stack = stack.pop_all()
        self._numbers = itertools.count()

    @property
    def worker_pid(self) -> int:
        return self._system.worker.pid

    def measure(self, task: Task, images: list[Pixels], number: int) -> Measured:  # noqa: ARG002 - it fetches its own
        every = len(task.questions)
        counted = -(-number // every)
        job = self.submit(task, LEAD + counted + TAIL)
        readings = self._readings(job, LEAD, LEAD + counted)
        self._end(job)
        items = readings[-1][1] - readings[0][1]
        return Measured(counted=items * every, rate=rate(readings) * every, tokens=_tokens(job))

    def say(self, task: Task, images: list[Pixels], number: int) -> list[Said]:  # noqa: ARG002
        every = len(task.questions)
        job = self.submit(task, -(-number // every))
        self._system.wait(job)
        answers = [answer for row in job.results() for answer in row.answers]
        return [Said(text=answer.text, tokens=answer.tokens) for answer in answers][:number]

    def submit(self, task: Task, items: int) -> Job:
        """Submits a job of so many pictures that were not asked for before."""
        questions = [Question(text) for text in task.questions if text is not None]
        return self._system.client.submit(
            (Item(image=f"{self._server}/{number}.jpg") for number in itertools.islice(self._numbers, items)),
            output=str(self._jobs / f"{task.name}-{next(self._numbers)}"),
            model=self._system.model,
            questions=questions or None,
            options=Options(max_new_tokens=task.tokens),
            cache=False,
        )

    def progress(self, job: Job) -> Iterator[tuple[int, float]]:
        """Yields how many items are done, and when that was, each time that there are more of them."""
        seen = -1
        for progress in job.watch(_POLL_SECONDS):
            now = time.perf_counter()
            if self._system.worker.ended() is not None:
                raise RuntimeError(self._system.worker.last_words())
            if progress.error or progress.failed:
                raise RuntimeError(progress.error or f"{progress.failed} items failed")
            if progress.done > seen:
                seen = progress.done
                yield seen, now

    def close(self) -> None:
        self._stack.close()

    def _readings(self, job: Job, first: int, last: int) -> list[tuple[float, int]]:
        """Returns when how many items were done, in seconds, from a first number of them to a last or a little more."""
        found: list[tuple[float, int]] = []
        for done, seconds in self.progress(job):
            if done >= first:
                found.append((seconds, done))
            if done >= last and len(found) > 1:
                return found
        raise RuntimeError(f"the job ended after {len(found)} readings; take more --images")

    def _end(self, job: Job) -> None:
        """Ends a job whose clock has stopped, and waits until the worker stands still."""
        job.cancel()
        while processor_seconds(self.worker_pid, over=1.0) > _SETTLED:
            pass


def _tokens(job: Job) -> tuple[int, ...]:
    """Returns the tokens of each answer that a cancelled job has, in finished parts and in others."""
    folder, parts = job.folder, range(job.spec.parts)
    rows = [row for part in parts if folder.has_result(part, 0) for row in folder.read_result(part, 0)]
    rows += [row for part in parts if not folder.has_result(part, 0) for row in folder.read_partial(part, 0)]
    return tuple(answer.tokens for row in rows for answer in row.answers)


def processor_seconds(pid: int, *, over: float) -> float:
    """Returns the processor time that a process takes within so many seconds."""
    before = _used(pid)
    time.sleep(over)
    return _used(pid) - before


def _used(pid: int) -> float:
    # Of all its threads, those included that have ended. After the command's name in brackets, fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
