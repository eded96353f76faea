"""The BLIP engine, on the shipped model: who shares a batch makes no difference, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.engine_calls import COLORS, SECONDS, ask, essence, growth, handle, mixed, opened, product, request
from helpers.processes import wait_until

from askpix.producer.rows import Kind
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.converting.staging import sealed
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import EngineStoppedError, RequestError
from askpix.worker.local import demo_model
from askpix.worker.models.folder import load_manifest
from askpix.worker.models.manifest import Generation


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


# Independence. --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["as they are", "reversed", "shuffled"])
def test_answers_are_the_same_alone_and_among_31_others_in_any_order(engine: BlipEngine, order: str) -> None:
    # Given
    alone = [ask(engine, [one])[0] for one in mixed(engine)]
    places = list(range(len(alone)))
    if order == "shuffled":
        random.Random(1).shuffle(places)
    elif order == "reversed":
        places.reverse()

    # When
    requests = mixed(engine)
    together = dict(zip(places, ask(engine, [requests[place] for place in places]), strict=True))

    # Then
    answers = [together[place] for place in range(len(alone))]
    assert essence(answers) == essence(alone)
    assert [one.confidence for one in answers] == pytest.approx([one.confidence for one in alone], abs=1e-3)
    assert {answer.kind for answer in alone} == {Kind.CAPTION, Kind.OPEN, Kind.CHOICE}


def test_answers_are_the_same_from_many_threads(engine: BlipEngine) -> None:
    # Given
    requests = mixed(engine)
    alone = [ask(engine, [one])[0] for one in requests]

    # When
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda one: ask(engine, [one])[0], mixed(engine) * 4))

    # Then
    assert essence(answers) == essence(alone) * 4


# Sharing work. --------------------------------------------------------------------------------------


def test_an_image_is_encoded_once_however_much_is_asked_of_it(engine: BlipEngine) -> None:
    # Given
    before, image = engine.counters(), handle(engine, product())

    # When: many at once, and one more when the encoding is there
    ask(engine, [request(image), *(request(image, f"is it {color}?") for color in COLORS)])
    ask(engine, [request(image, "what is it?")])

    # Then
    grown = growth(engine, before)
    assert (grown["images"], grown["vision_batches"]) == (1, 1)
    assert (grown["questions"], grown["answers"]) == (len(COLORS) + 1, len(COLORS) + 2)


def test_requests_share_the_decoders_steps_and_the_encoders_batches(engine: BlipEngine) -> None:
    # Given
    before, image = engine.counters(), handle(engine, product())

    # When
    answers = ask(engine, [request(image, "what color is it?") for _ in range(128)])

    # Then
    grown = growth(engine, before)
    assert grown["answer_rows"] == sum(answer.tokens for answer in answers)
    assert grown["answer_steps"] <= grown["answer_rows"] / 4
    assert grown["question_batches"] <= 128 / 4


# How long answers are. ------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "expected"), [(None, 1), (2, 2)])
@pytest.mark.parametrize("question", [None, "what is in the picture?"])
def test_an_answer_is_as_long_as_the_model_folder_says_unless_the_request_does(
    tmp_path: Path, question: str | None, said: int | None, expected: int
) -> None:
    # Given: a folder whose texts are cut at one token
    shutil.copytree(demo_model(), tmp_path / "model")
    manifest = load_manifest(tmp_path / "model")
    brief = manifest.model_copy(update={"generation": Generation(max_new_tokens=1)})
    sealed(tmp_path / "model", brief)

    # When
    with opened(tmp_path / "model") as engine:
        (answer,) = ask(engine, [request(handle(engine, product()), question, max_new_tokens=said)])

    # Then
    assert answer.tokens == expected


# Giving up. -----------------------------------------------------------------------------------------


def test_a_cancelled_request_ends_and_its_image_is_not_encoded(engine: BlipEngine) -> None:
    # Given: one request behind many
    before = engine.counters()
    others = [engine.submit(request(handle(engine, product(number)))) for number in range(40)]
    ticket = engine.submit(request(handle(engine, product(99))))

    # When
    ticket.cancel()

    # Then
    with pytest.raises(RequestError) as raised:
        ticket.result(SECONDS)
    assert (raised.value.code, raised.value.retryable) == ("cancelled", True)
    assert all(other.result(SECONDS).text for other in others)
    assert growth(engine, before)["images"] == 40


def test_a_request_past_its_deadline_fails_and_others_do_not(engine: BlipEngine) -> None:
    # Given
    image = handle(engine, product())

    # When
    late = engine.submit(request(image, "what is it?", deadline=time.monotonic() - 1))
    in_time = engine.submit(request(image, "what is it?", deadline=time.monotonic() + SECONDS))

    # Then
    with pytest.raises(RequestError, match="in time") as raised:
        late.result(SECONDS)
    assert (raised.value.code, raised.value.retryable) == ("deadline", True)
    assert in_time.result(SECONDS).text


def test_a_request_may_be_worked_on_for_so_long_whatever_it_waited_before(engine: BlipEngine) -> None:
    image = handle(engine, product())

    slow = engine.submit(request(image, "what is it?", seconds=1e-9))
    quick = engine.submit(request(image, "what is it?", seconds=SECONDS))

    with pytest.raises(RequestError) as raised:
        slow.result(SECONDS)
    assert (raised.value.code, raised.value.retryable) == ("deadline", True)
    assert quick.result(SECONDS).text


def test_an_engine_without_work_is_not_stuck_and_one_that_has_closed_has_stopped() -> None:
    with opened(demo_model()) as engine:
        assert (engine.stuck(), engine.stopped) == (0, False)
        engine.submit(request(handle(engine, product()), "what is it?")).result(SECONDS)
        wait_until(lambda: engine.stuck() == 0, within=SECONDS, what="rest")
    assert engine.stopped


def test_close_answers_what_was_submitted_and_takes_no_more() -> None:
    # Given
    with opened(demo_model()) as engine:
        image = handle(engine, product())
        tickets = [engine.submit(request(image, "what is it?")) for _ in range(40)]

        # When
        engine.close()

        # Then
        assert all(ticket.done() and ticket.result().text for ticket in tickets)
        with pytest.raises(EngineStoppedError):
            engine.submit(request(image))


def test_every_ticket_ends_when_the_engine_closes_amid_submissions() -> None:
    # Given: eight threads that submit until they are told to stop
    with opened(demo_model()) as engine, ThreadPoolExecutor(8) as threads:
        image = handle(engine, product())
        tickets: list[Ticket] = []

        def submit_on_and_on() -> None:
            with suppress(EngineStoppedError):
                while True:
                    tickets.append(engine.submit(request(image, "what is it?")))

        submitting = [threads.submit(submit_on_and_on) for _ in range(8)]
        engine.submit(request(image)).result(SECONDS)

        # When
        engine.close()

        # Then
        for one in submitting:
            one.result(SECONDS)
        assert tickets
        assert all(ticket.done() and ticket.result().text for ticket in tickets)
