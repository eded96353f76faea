"""Asking an engine, as tests do it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from catalogue import picture
from PIL import Image

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Kind
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import ImageHandle, Request
from askpix.worker.engine.devices import Precision
from askpix.worker.images.decode import decode

SECONDS = 120
"""How long a test waits for an answer that should be there in a moment."""


@contextmanager
def opened(folder: Path, precision: Precision = Precision.F32) -> Iterator[BlipEngine]:
    engine = BlipEngine(folder, "CPU", precision)
    try:
        yield engine
    finally:
        engine.close()


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def handle(engine: BlipEngine, image: Image.Image) -> ImageHandle:
    """Gives an image to the engine by the way that a worker takes: a file's bytes, decoded."""
    return engine.open_image(decode(png(image), engine.image_form).pixels)


def request(
    image: ImageHandle,
    question: Question | str | None = None,
    *,
    max_new_tokens: int | None = None,
    prompt: str | None = None,
    deadline: float | None = None,
    seconds: float | None = None,
    urgent: bool = False,
    **settings: Any,
) -> Request:
    return Request(
        images=(image,),
        question=Question(question) if isinstance(question, str) else question,
        options=Options(max_new_tokens=max_new_tokens, prompt=prompt, **settings),
        deadline=deadline,
        seconds=seconds,
        urgent=urgent,
    )


def ask(engine: BlipEngine, requests: Iterable[Request]) -> list[Answer]:
    """Returns the answers in the order of the requests, all of which are under way at once."""
    tickets = [engine.submit(one) for one in requests]
    return [ticket.result(SECONDS) for ticket in tickets]


def essence(answers: Iterable[Answer]) -> list[tuple[Kind, str, int, str]]:
    """Returns what must be equal in FP32, whoever else is in the batch."""
    return [(answer.kind, answer.text, answer.tokens, answer.finish_reason) for answer in answers]


class Turns:
    """Holds an engine: of its thread's turns, those happen that the test allows, and after the block all.

    So a test says what is waiting where, however fast the machine is.
    """

    def __init__(self, engine: BlipEngine) -> None:
        self._engine = engine
        self._turn = engine._turn
        self._begun = threading.Semaphore(0)
        self._allowed = threading.Semaphore(0)
        self._free = False

    def __enter__(self) -> Self:
        self._engine._turn = self._held  # type: ignore[method-assign]
        # It waits in a turn of before; what is nothing to do ends that.
        self._engine._inbox.put(None)
        self._begun.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._free = True
        self._engine._turn = self._turn  # type: ignore[method-assign]
        self._allowed.release()

    def allow(self, number: int) -> None:
        """Lets turns happen, and waits until they have."""
        for _ in range(number):
            self._allowed.release()
            self._begun.acquire()

    def _held(self) -> None:
        if not self._free:
            self._begun.release()
            self._allowed.acquire()
        self._turn()


def growth(engine: BlipEngine, before: Mapping[str, int]) -> dict[str, int]:
    """Returns by how much the engine's counters have grown."""
    return {name: value - before[name] for name, value in engine.counters().items()}


COLORS = ("red", "green", "blue", "a very dark and quite striped kind of black")


def product(number: int = 0) -> Image.Image:
    return picture(8181, number)[0]


def mixed(engine: BlipEngine, number: int = 32) -> list[Request]:
    """Returns captions, prompted captions, questions and choices on fresh handles; some share an image."""
    requests: list[Request] = []
    for index in range(number):
        image = handle(engine, product(index)) if index % 4 < 2 else requests[-1].images[0]
        _, _, asked = picture(8181, index)
        kinds = (
            request(image),
            request(image, asked[index % len(asked)][0], max_new_tokens=5 + index % 32),
            request(image, prompt="two striped" if index % 8 < 4 else "a"),
            request(image, Question("what color is the product in the picture?", choices=COLORS)),
            request(image, "what?"),
        )
        requests.append(kinds[index % len(kinds)])
    return requests
