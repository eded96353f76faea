"""Questions that come after others, of a job folder that nobody has checked: the item ends all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.engine_calls import opened

from askpix.producer.items import Item
from askpix.producer.questions import Question
from askpix.producer.rows import Status
from askpix.worker.asker import Asking
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.local import demo_model


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    """A BLIP, which takes no follow-ups."""
    with opened(demo_model()) as engine:
        yield engine


@pytest.mark.parametrize(
    ("questions", "code", "answered"),
    [
        ([Question("what is it?"), Question("and?", after="nowhere")], "no_such_question", ["what is it?"]),
        ([Question("and?", after="nowhere"), Question("what is it?")], "no_such_question", ["what is it?"]),
        ([Question("what is it?", name="a"), Question("and?", after="a")], "needs_chat", ["a"]),
        ([Question(" ", name="a"), Question("and?", after="a")], "empty_question", []),
    ],
)
def test_an_item_ends(questions: list[Question], code: str, answered: list[str], engine: BlipEngine) -> None:
    form = engine.image_form
    handle = engine.open_image(np.zeros((form.height or 1, form.width or 1, 3), np.uint8))
    ended = threading.Event()
    item = Item(image="a.jpg", questions=tuple(questions))
    work = ItemWork(item, engine, started=0.0, ended=lambda _: ended.set())

    work.ask(LoadedImage(ImageFacts(), handle), None, Asking())

    assert ended.wait(30)
    row = work.row()
    assert (row.status, row.error_code) == (Status.ERROR, code)
    assert [answer.name for answer in row.answers] == answered
