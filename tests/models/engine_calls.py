"""Asking an engine, as tests do it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from askpix.producer.items import Options, Question
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
    max_new_tokens: int = 20,
    prompt: str | None = None,
    deadline: float | None = None,
) -> Request:
    return Request(
        images=(image,),
        question=Question(question) if isinstance(question, str) else question,
        options=Options(max_new_tokens=max_new_tokens, prompt=prompt),
        deadline=deadline,
    )


def ask(engine: BlipEngine, requests: Iterable[Request]) -> list[Answer]:
    """Returns the answers in the order of the requests, all of which are under way at once."""
    tickets = [engine.submit(one) for one in requests]
    return [ticket.result(SECONDS) for ticket in tickets]


def essence(answers: Iterable[Answer]) -> list[tuple[Kind, str, int, str]]:
    """Returns what must be equal in FP32, whoever else is in the batch."""
    return [(answer.kind, answer.text, answer.tokens, answer.finish_reason) for answer in answers]
