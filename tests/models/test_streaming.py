"""A BLIP's captions and answers are read while they are decoded: the pieces are the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from catalogue import picture
from helpers.engine_calls import SECONDS, handle, opened, request
from helpers.random_blip import ODD, built

from askpix.producer.questions import Question
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.ticket import Ticket

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    """One whose random weights have it go on until it may not."""
    with opened(built(ODD).folder) as engine:
        yield engine


def submitted(engine: BlipEngine, question: Question | str | None, *, stream: bool = True, **settings: Any) -> Ticket:
    image, _, _ = picture(5151, 1)
    asked = request(handle(engine, image), question, **settings)
    return engine.submit(replace(asked, stream=stream))


@pytest.mark.parametrize("question", [None, "what is it?"])
@pytest.mark.parametrize("settings", [{}, {"prompt": "a photo of"}, {"repetition_penalty": 1.3}, {"do_sample": True}])
def test_pieces_are_the_text(engine: BlipEngine, question: str | None, settings: dict[str, Any]) -> None:
    if question is not None and "prompt" in settings:
        settings = {}
    plain = submitted(engine, question, stream=False, max_new_tokens=20, **settings).result(SECONDS)

    ticket = submitted(engine, question, max_new_tokens=20, **settings)

    assert "".join(ticket.pieces(SECONDS, pause=0.001)) == plain.text
    answer = ticket.result(0)
    assert (answer.text, answer.tokens, answer.confidence) == (plain.text, plain.tokens, plain.confidence)


def test_a_text_grows_before_it_ends(engine: BlipEngine) -> None:
    """What is certain of it is there before: what a reader gets at what moment is up to the machine."""
    ticket = submitted(engine, None, max_new_tokens=20)
    assert ticket.growing is not None
    ticket.result(SECONDS)
    ids = ticket.growing._ids
    assert len(ids) == ticket.result(0).tokens
    seen = [ticket.growing._text_of(ids[:number]) for number in range(len(ids) + 1)]
    assert len(set(seen)) > 3
    assert all(ticket.result(0).text.startswith(text) for text in seen)


@pytest.mark.parametrize(
    ("question", "settings"),
    [
        (Question("what is it?", choices=("mug", "plate")), {}),
        (None, {"num_beams": 3}),
        (None, {"do_sample": True, "num_return_sequences": 2}),
    ],
)
def test_what_is_not_known_before_its_end_comes_in_one_piece(
    engine: BlipEngine, question: Question | None, settings: dict[str, Any]
) -> None:
    ticket = submitted(engine, question, max_new_tokens=10, **settings)
    assert list(ticket.pieces(SECONDS)) == [ticket.result(0).text]
