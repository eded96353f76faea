"""Questions about each of several choices, asked of a model that takes follow-ups: what it is told again of them."""

from __future__ import annotations

import threading

from helpers.pictures import noise

from askpix.producer.items import Item
from askpix.producer.questions import Question
from askpix.producer.rows import Status
from askpix.worker.asker import Asking
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.vlm.engine import VlmEngine

PRINTS = Question(
    "is there a {choice} on it?", name="prints", choices=("star", "moon"), multiple=True, map={"star": "stars"}
)


def test_each_choice_that_was_judged_is_told_again_before_what_comes_after(engine: VlmEngine) -> None:
    # Given
    after = Question("why?", name="why", after="prints", choices=("so", "not"))
    never = Question("and?", name="never", when={"prints": "comets"})
    ended = threading.Event()
    item = Item(image="a", questions=(PRINTS, after, never, Question("why?", name="alone", choices=("so", "not"))))
    work = ItemWork(item, engine, started=0.0, ended=lambda _: ended.set())

    # When
    work.ask(LoadedImage(ImageFacts(), engine.open_image(noise())), None, Asking())

    # Then
    assert ended.wait(60)
    row = work.row()
    assert row.status is Status.OK, row.error_message
    prints, why, alone = row.answers
    assert (prints.name, why.name, alone.name) == ("prints", "why", "alone")
    assert prints.text == ", ".join(
        PRINTS.map.get(one.text, one.text) for one in prints.choices or () if PRINTS.map and one.probability >= 0.5
    )
    # It has two questions with their answers before it.
    assert why.prompt_tokens is not None
    assert alone.prompt_tokens is not None
    assert prints.prompt_tokens is not None
    assert why.prompt_tokens > alone.prompt_tokens + 10
