"""What the pipeline keeps of prompts, for others that begin alike, is right whatever became of who asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from helpers.pictures import noise
from helpers.processes import wait_until
from helpers.vlm import TinyVlms

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.engine.base import Request
from askpix.worker.engine.devices import Precision
from askpix.worker.item_errors import RequestError
from askpix.worker.vlm.batch import PROMPT_TOKENS
from askpix.worker.vlm.engine import VlmEngine

SECONDS = 60
ROUNDS = 6
LONG = "what is it?" + " and so on" * 40
REFUSED = Question("describe", json_schema={"type": "string", "pattern": "(?<!a)b"})
"""Its schema is valid; the pipeline fails on it, within the step that takes its prompt in."""


@pytest.fixture(scope="module")
def calm(tiny: TinyVlms) -> Iterator[VlmEngine]:
    """An engine that is asked for one text at a time, and in which nothing fails."""
    engine = VlmEngine(tiny.folder("llava"), precision=Precision.F32)
    yield engine
    engine.close()


def _request(engine: VlmEngine, number: int, question: str | Question = LONG, tokens: int = 20) -> Request:
    asked = Question(question) if isinstance(question, str) else question
    return Request(images=(engine.open_image(noise(number)),), question=asked, options=Options(max_new_tokens=tokens))


def _texts(engine: VlmEngine, numbers: Sequence[int]) -> list[str]:
    """Texts of some images, each asked for alone."""
    return [engine.submit(_request(engine, number)).result(SECONDS).text for number in numbers]


def test_a_step_that_fails_leaves_nothing_wrong_behind(engine: VlmEngine, calm: VlmEngine) -> None:
    for round_ in range(ROUNDS):
        # Given: requests that the pipeline fails on, while it has taken in a part of another's prompt
        number = 100 + round_
        requests = [_request(engine, 99, REFUSED), _request(engine, number)]

        # When
        refused, good = [engine.submit(request) for request in requests]
        with pytest.raises(RequestError, match="the model failed on this request"):
            refused.result(SECONDS)
        answer = good.result(SECONDS)

        # Then: it is what it would have been alone, then and later
        assert answer.prompt_tokens is not None
        assert answer.prompt_tokens > PROMPT_TOKENS
        [alone] = _texts(calm, [number])
        assert answer.text == alone
        assert _texts(engine, [number]) == [alone]


def test_prompts_that_are_given_up_half_way_leave_nothing_wrong_behind(engine: VlmEngine, calm: VlmEngine) -> None:
    for round_ in range(ROUNDS):
        # Given: a text that is read along, so that steps can be counted, and prompts that take two steps each
        numbers = range(200 + 8 * round_, 208 + 8 * round_)
        requests = [_request(engine, number) for number in numbers]
        read = engine.submit(replace(_request(engine, 99, "what is it?", 400), stream=True))
        pieces = read.pieces(SECONDS, pause=0)
        next(pieces)

        # When: nobody wants them any more, some steps after they began
        tickets = [engine.submit(request) for request in requests]
        for _ in range(2 + round_):
            next(pieces)
        for ticket in (read, *tickets):
            ticket.cancel()
        again = [engine.submit(_request(engine, number)) for number in numbers]

        # Then
        assert [ticket.result(SECONDS).text for ticket in again] == _texts(calm, numbers)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(Options(max_new_tokens=400, min_new_tokens=400, num_beams=3), id="a search"),
        pytest.param(
            Options(max_new_tokens=400, min_new_tokens=400, do_sample=True, num_return_sequences=2), id="several texts"
        ),
    ],
)
def test_what_cannot_be_looked_at_before_its_end_leaves_early_too(engine: VlmEngine, options: Options) -> None:
    # Given: requests that are at it, of which nothing can be read before they end
    before = engine.counters()["steps"]
    tickets = [engine.submit(replace(_request(engine, number), options=options)) for number in range(400, 404)]
    read = engine.submit(replace(_request(engine, 99, "what is it?"), stream=True))
    next(read.pieces(SECONDS, pause=0))

    # When
    for ticket in tickets:
        ticket.cancel()
    wait_until(lambda: engine.measures().rows["pipeline"][0] == 0, within=SECONDS, what="left by all")

    # Then
    assert engine.counters()["steps"] - before < 100


def test_a_schema_that_the_pipeline_always_fails_on_has_it_built_anew_only_so_often(
    engine: VlmEngine, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: another than in the tests before
    schema = {"type": "string", "pattern": "(?<!c)d"}
    refused = Question("describe", json_schema=schema)
    caplog.set_level("INFO", "askpix")

    # When
    errors = []
    for number in range(8):
        with pytest.raises(RequestError, match=r"the model failed on this request: .*Lookbehind") as caught:
            engine.submit(_request(engine, number, refused)).result(SECONDS)
        errors.append(caught.value.code)

    # Then
    assert set(errors) == {"model_failed"}
    _texts(engine, [300])
    assert sum("to be built anew" in record.message for record in caplog.records) == 3
