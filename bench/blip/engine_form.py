"""Form (d): askpix's engine, kept busy; and how full its decoder is meanwhile."""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bench.blip.figures import rate
from bench.blip.forms import Form, Measured
from bench.blip.tasks import CAPTIONS, MIXED_TOKENS, Pixels, Said, Task

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.blip.engine import LANE_SLOTS, BlipEngine
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import RequestError

LEAD = 64
"""Answers before the clock starts: by then all stages have work, and the decoder has been full."""

_WAIT_SECONDS = 300.0


class EngineForm(Form):
    """The engine of a model folder.

    Requests are submitted for as long as a turn lasts, as fast as the engine takes them; the clock runs from
    one answer to a later one, while there is more to do before and after: as in a worker in the midst of a job.
    """

    def __init__(self, folder: Path, precision: str) -> None:
        self._engine = BlipEngine(folder, "CPU", Precision(precision))
        self.image_form = self._engine.image_form
        self.precision = self._engine.info.precision

    def measure(self, task: Task, images: list[Pixels], number: int) -> Measured:
        with self._busy(task, images, lambda: task.tokens) as tickets:
            _answers(tickets, LEAD)
            answers = _answers(tickets, number)
        return _measured(answers)

    def occupancy(self, images: list[Pixels], number: int) -> Measured:
        """Captions of mixed lengths; `details` say how many of the decoder's places were in use on average."""
        shortest, longest = MIXED_TOKENS
        lengths = random.Random(1)
        with self._busy(CAPTIONS, images, lambda: lengths.randint(shortest, longest)) as tickets:
            _answers(tickets, LEAD)
            before = dict(self._engine.counters())
            answers = _answers(tickets, number)
            after = dict(self._engine.counters())
        rows, steps = (after[name] - before[name] for name in ("caption_rows", "caption_steps"))
        details = {"rows": rows, "steps": steps, "places": LANE_SLOTS, "in_use": rows / (steps * LANE_SLOTS)}
        return replace(_measured(answers), details=details)

    def say(self, task: Task, images: list[Pixels], number: int) -> list[Said]:
        every = len(task.questions)
        handles = [self._engine.open_image(image) for image in images]
        tickets = [
            self._engine.submit(
                Request(
                    images=(handles[index // every % len(handles)],),
                    question=_question(task.questions[index % every]),
                    options=Options(max_new_tokens=task.tokens),
                )
            )
            for index in range(number)
        ]
        answers = [ticket.result(_WAIT_SECONDS) for ticket in tickets]
        return [Said(text=answer.text, tokens=answer.tokens) for answer in answers]

    def close(self) -> None:
        self._engine.close()

    @contextmanager
    def _busy(self, task: Task, images: list[Pixels], tokens: Callable[[], int]) -> Iterator[queue.Queue[Ticket]]:
        """Yields the tickets of requests that are submitted without an end; after the block, all have ended."""
        tickets: queue.Queue[Ticket] = queue.Queue()
        enough = threading.Event()

        def submit() -> None:
            for image in itertools.cycle(images):
                handle = self._engine.open_image(image)
                for question in task.questions:
                    if enough.is_set():
                        return
                    options = Options(max_new_tokens=tokens())
                    # Waits while the engine has enough under way.
                    tickets.put(
                        self._engine.submit(Request(images=(handle,), question=_question(question), options=options))
                    )

        feeder = threading.Thread(target=submit, name="bench-feeder")
        feeder.start()
        try:
            yield tickets
        finally:
            enough.set()
            while feeder.is_alive() or not tickets.empty():
                with suppress(queue.Empty, RequestError):
                    ticket = tickets.get(timeout=0.05)
                    ticket.cancel()
                    ticket.result(_WAIT_SECONDS)
            feeder.join()


def _answers(tickets: queue.Queue[Ticket], number: int) -> list[tuple[float, int]]:
    """Waits for so many answers; returns when each came, in seconds, and its tokens."""
    found = []
    for _ in range(number):
        answer = tickets.get(timeout=_WAIT_SECONDS).result(_WAIT_SECONDS)
        found.append((time.perf_counter(), answer.tokens))
    return found


def _measured(answers: list[tuple[float, int]]) -> Measured:
    came = [(seconds, index) for index, (seconds, _) in enumerate(answers)]
    return Measured(counted=len(answers), rate=rate(came), tokens=tuple(tokens for _, tokens in answers))


def _question(text: str | None) -> Question | None:
    return None if text is None else Question(text)
