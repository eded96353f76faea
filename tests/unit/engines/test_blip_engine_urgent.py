"""Urgent requests: they overtake, they share the device's work with others, and their answers are the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from helpers.engine_calls import COLORS, SECONDS, Turns, ask, essence, handle, mixed, opened, png, product, request

from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.blip.engine import CAPACITY, LANE_SLOTS, URGENT_SLOTS, BlipEngine
from askpix.worker.blip.forms import CPU_WAVE as WAVE
from askpix.worker.blip.questions import QUESTION_BATCH
from askpix.worker.engine.base import ImageHandle
from askpix.worker.engine.ticket import Ticket
from askpix.worker.engine.waiting import Waiting
from askpix.worker.image_form import Pixels
from askpix.worker.images.decode import decode
from askpix.worker.local import demo_model

BULK = 200
CHOICE = Question("what color is it?", choices=COLORS)


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture(scope="module")
def pictures(engine: BlipEngine) -> list[Pixels]:
    """Images in the engine's form."""
    return [decode(png(product(number)), engine.image_form).pixels for number in range(BULK + 1)]


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[Ticket]:
    """All tickets that were answered, in that order."""
    answered: list[Ticket] = []
    resolve = Ticket.resolve

    def noted(ticket: Ticket, answer: Answer) -> None:
        answered.append(ticket)
        resolve(ticket, answer)

    monkeypatch.setattr(Ticket, "resolve", noted)
    return answered


@pytest.fixture
def encoded(engine: BlipEngine) -> ImageHandle:
    """An image that is encoded already."""
    image = handle(engine, product())
    ask(engine, [request(image)])
    return image


# The queue. -----------------------------------------------------------------------------------------


def test_urgent_entries_come_first_and_each_class_keeps_its_order() -> None:
    # Given
    waiting: Waiting[str] = Waiting()
    for entry in ("a", "B", "c", "D", "e"):
        waiting.put(entry, urgent=entry.isupper())

    # When
    for entry in ("e", "B", "not there"):
        waiting.move_up(entry)

    # Then
    assert (len(waiting), waiting.urgent) == (5, 3)
    assert [waiting.take() for _ in range(5)] == ["B", "D", "e", "a", "c"]
    assert not waiting
    with pytest.raises(IndexError):
        waiting.take()


# Overtaking. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", [0, 5])
@pytest.mark.parametrize("asked", [None, "what is it?", CHOICE], ids=["captions", "questions", "choices"])
@pytest.mark.parametrize("shared", [False, True], ids=["own images", "one encoded image"])
def test_an_urgent_request_is_answered_before_most_of_200_that_came_earlier(
    engine: BlipEngine,
    encoded: ImageHandle,
    pictures: list[Pixels],
    order: list[Ticket],
    turns: int,
    asked: Question | str | None,
    shared: bool,
) -> None:
    # Given: 200 requests at the stages that they reach in these turns
    images = [encoded if shared else engine.open_image(one) for one in pictures[:BULK]]
    with Turns(engine) as allowed:
        bulk = [engine.submit(request(image, asked)) for image in images]
        allowed.allow(turns)

        # When
        urgent = engine.submit(request(engine.open_image(pictures[BULK]), asked, urgent=True))

    # Then
    assert urgent.result(SECONDS).text
    assert all(ticket.result(SECONDS).text for ticket in bulk)
    assert order.index(urgent) < BULK / 3


def test_an_urgent_row_joins_the_next_step_though_others_hold_the_lane(
    engine: BlipEngine, encoded: ImageHandle, order: list[Ticket]
) -> None:
    # Given: captions of one image, equally long, of which as many as the lane takes have made two steps
    with Turns(engine) as turns:
        before = engine.counters()["caption_steps"]
        bulk = [engine.submit(request(encoded)) for _ in range(BULK)]
        turns.allow(2)
        assert engine.counters()["caption_steps"] == before + 2

        # When
        urgent = [engine.submit(request(encoded, urgent=True)) for _ in range(URGENT_SLOTS)]

    # Then: they end two steps after those, and before all that waited
    for ticket in (*bulk, *urgent):
        ticket.result(SECONDS)
    assert set(order[:LANE_SLOTS]) == set(bulk[:LANE_SLOTS])
    assert set(order[LANE_SLOTS : LANE_SLOTS + URGENT_SLOTS]) == set(urgent)


def test_an_image_that_waits_moves_up_when_it_is_asked_about_urgently(
    engine: BlipEngine, pictures: list[Pixels], order: list[Ticket]
) -> None:
    # Given
    before = engine.counters()["images"]
    images = [engine.open_image(one) for one in pictures[:BULK]]
    with Turns(engine) as turns:
        bulk = [engine.submit(request(image)) for image in images]
        turns.allow(1)

        # When
        urgent = engine.submit(request(images[-1], "what is it?", urgent=True))

    # Then
    for ticket in (*bulk, urgent):
        ticket.result(SECONDS)
    assert order.index(urgent) < BULK / 3
    assert order.index(bulk[-1]) < BULK / 3, "its own caption came along"
    assert engine.counters()["images"] == before + BULK


def test_urgent_requests_do_not_overtake_each_other(
    engine: BlipEngine, encoded: ImageHandle, order: list[Ticket]
) -> None:
    # Given: answers of one token, which end in the step that they begin in
    places = LANE_SLOTS + URGENT_SLOTS
    with Turns(engine):
        tickets = [
            engine.submit(request(encoded, "what is it?", max_new_tokens=1, urgent=True)) for _ in range(3 * places)
        ]

    # Then
    for ticket in tickets:
        ticket.result(SECONDS)
    for start in range(0, len(tickets), places):
        assert set(order[start : start + places]) == set(tickets[start : start + places])


def test_an_urgent_request_does_not_wait_for_room(engine: BlipEngine, encoded: ImageHandle) -> None:
    # Given: as many requests as there is room for
    with ThreadPoolExecutor(1) as threads, Turns(engine):
        bulk = [engine.submit(request(encoded)) for _ in range(CAPACITY)]

        # When
        submitting = threads.submit(lambda: [engine.submit(request(encoded, urgent=True)) for _ in range(32)])

        # Then
        urgent = submitting.result(SECONDS)
    assert all(ticket.result(SECONDS).text for ticket in (*bulk, *urgent))


def test_urgent_requests_leave_the_room_for_others_as_it_is(engine: BlipEngine, encoded: ImageHandle) -> None:
    # Given
    ask(engine, [request(encoded, urgent=True) for _ in range(32)])

    # When: as many others as there is room for are under way
    with ThreadPoolExecutor(1) as threads:
        with Turns(engine):
            bulk = [engine.submit(request(encoded)) for _ in range(CAPACITY)]
            one_more = threads.submit(engine.submit, request(encoded))

            # Then: there is no room for one more
            assert not engine._under_way._room.acquire(blocking=False)
            assert not one_more.done()
        assert one_more.result(SECONDS).result(SECONDS).text
    assert all(ticket.result(SECONDS).text for ticket in bulk)


# Sharing. -------------------------------------------------------------------------------------------


def test_32_urgent_requests_that_come_together_share_the_work(engine: BlipEngine, pictures: list[Pixels]) -> None:
    # Given
    images = [engine.open_image(one) for one in pictures[:32]]

    def asked_together(question: str | None) -> tuple[list[Answer], dict[str, int]]:
        before = engine.counters()
        with Turns(engine):
            tickets = [engine.submit(request(image, question, urgent=True)) for image in images]
        answers = [ticket.result(SECONDS) for ticket in tickets]
        return answers, {name: value - before[name] for name, value in engine.counters().items()}

    # When: the images are new, then they are encoded four at a time
    _, growth = asked_together(None)
    assert (growth["images"], growth["vision_batches"]) == (32, 32 / WAVE)

    # When: they are encoded, then all captions take the steps of the longest one
    captions, growth = asked_together(None)
    assert growth["caption_rows"] == sum(caption.tokens for caption in captions)
    assert growth["caption_steps"] == max(caption.tokens for caption in captions)

    # And so do answers
    answers, growth = asked_together("what is printed on the product?")
    assert growth["question_batches"] == 32 / QUESTION_BATCH
    assert growth["answer_rows"] == sum(answer.tokens for answer in answers)
    assert growth["answer_steps"] == max(answer.tokens for answer in answers)


def test_urgent_rows_share_the_steps_of_others(engine: BlipEngine, encoded: ImageHandle) -> None:
    # Given: captions of one image, which take a step for each of their tokens
    (alone,) = ask(engine, [request(encoded)])
    before = engine.counters()
    with Turns(engine) as turns:
        bulk = [engine.submit(request(encoded)) for _ in range(LANE_SLOTS)]
        turns.allow(2)

        # When
        urgent = [engine.submit(request(encoded, urgent=True)) for _ in range(URGENT_SLOTS)]

    # Then: the urgent ones, two steps later, take two more than the others alone
    answers = [ticket.result(SECONDS) for ticket in (*bulk, *urgent)]
    assert {answer.tokens for answer in answers} == {alone.tokens}
    assert engine.counters()["caption_steps"] - before["caption_steps"] == alone.tokens + 2


# Equality. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [lambda _: True, lambda number: number % 3 == 0], ids=["all", "every third"])
def test_answers_are_the_same_urgent_or_not(engine: BlipEngine, chosen: Callable[[int], bool]) -> None:
    # Given
    expected = ask(engine, mixed(engine, 64))
    requests = [replace(one, urgent=chosen(number)) for number, one in enumerate(mixed(engine, 64))]
    places = list(range(64))
    random.Random(3).shuffle(places)

    # When
    found = dict(zip(places, ask(engine, [requests[place] for place in places]), strict=True))

    # Then
    answers = [found[place] for place in range(64)]
    assert essence(answers) == essence(expected)
    assert [one.confidence for one in answers] == pytest.approx([one.confidence for one in expected], abs=1e-4)
