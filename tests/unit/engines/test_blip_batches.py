"""What the BLIP engine puts into one pass of a graph: questions by image, choices by their beginnings."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.engine_calls import COLORS, SECONDS, Turns, ask, essence, growth, handle, opened, product, request

from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.blip.choices import PASS_TOKENS, ChoiceTree
from askpix.worker.blip.engine import LANE_SLOTS, BlipEngine
from askpix.worker.blip.forms import CPU_WAVE as WAVE
from askpix.worker.blip.questions import BATCH_TOKENS, QUESTION_BATCH, fits, packed
from askpix.worker.blip.stages import PATIENCE
from askpix.worker.blip.work import BlipImage, BlipRequest
from askpix.worker.engine.ticket import Ticket
from askpix.worker.local import demo_model


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


def _asked(image: BlipImage, tokens: int) -> BlipRequest:
    return BlipRequest(
        image=image, question=None, question_ids=[7] * tokens, max_new_tokens=1, urgent=False, ticket=Ticket()
    )  # fmt: skip


def _image() -> BlipImage:
    return BlipImage(None, np.zeros((1, 1, 3), np.uint8))


def _batch(*rows: tuple[int, ...]) -> dict[BlipImage, list[BlipRequest]]:
    """Returns a batch of images with questions of these lengths."""
    batch: dict[BlipImage, list[BlipRequest]] = {}
    for row in rows:
        image = _image()
        batch[image] = [_asked(image, tokens) for tokens in row]
    return batch


# Questions. -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "tokens", "expected"),
    [
        pytest.param(_batch(), 10 * BATCH_TOKENS, True, id="the first, however long"),
        pytest.param(_batch((12,)), 12, True, id="another image"),
        pytest.param(_batch(*[(12,)] * QUESTION_BATCH), 12, False, id="too many images"),
        pytest.param(_batch((BATCH_TOKENS // 2,)), BATCH_TOKENS // 2, True, id="as many tokens as there may be"),
        pytest.param(_batch((BATCH_TOKENS // 2,)), BATCH_TOKENS // 2 + 1, False, id="too many tokens"),
        pytest.param(_batch((12,) * 10), 4, True, id="half of it padding"),
        pytest.param(_batch((12,) * 10, (4,)), 4, False, id="more padding than tokens"),
    ],
)
def test_a_question_of_another_image_joins_a_batch_unless_that_is_full_or_mostly_padding(
    batch: dict[BlipImage, list[BlipRequest]], tokens: int, expected: bool
) -> None:
    assert fits(batch, _asked(_image(), tokens)) is expected


def test_a_question_of_the_same_image_joins_its_row() -> None:
    # Given
    batch = _batch(*[(12,)] * QUESTION_BATCH)
    first = next(iter(batch))

    # Then: it adds its own length to all rows, and no image
    assert fits(batch, _asked(first, 12))
    assert not fits(batch, _asked(first, BATCH_TOKENS // QUESTION_BATCH))


def test_packed_questions_have_positions_and_numbers_of_their_own() -> None:
    ids, positions, questions = packed([[[2, 8, 3], [2, 3]], [[2, 9, 9, 3]]], pad=0)
    assert ids.tolist() == [[2, 8, 3, 2, 3], [2, 9, 9, 3, 0]]
    assert positions.tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 3, 0]]
    assert questions.tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, -1]]


def test_ten_questions_of_an_image_are_encoded_in_one_batch(engine: BlipEngine) -> None:
    # Given
    texts = [
        f"is it {color}?" for color in (*COLORS[:3], "pink", "black", "white", "orange", "yellow", "purple", "big")
    ]
    alone = [ask(engine, [request(handle(engine, product()), text)])[0] for text in texts]
    before, image = engine.counters(), handle(engine, product())

    # When
    with Turns(engine):
        tickets = [engine.submit(request(image, text)) for text in texts]
    answers = [ticket.result(SECONDS) for ticket in tickets]

    # Then
    grown = growth(engine, before)
    assert (grown["images"], grown["questions"], grown["question_batches"]) == (1, 10, 1)
    assert essence(answers) == essence(alone)


# Choices. -------------------------------------------------------------------------------------------


def test_a_tree_reads_what_choices_share_once() -> None:
    # Given
    tree = ChoiceTree(start=5)

    # When
    for number, ids in enumerate(([40, 41, 3], [40, 42, 3], [43, 3], [40, 3])):
        tree.add(number, ids)

    # Then
    assert list(zip(tree.tokens, tree.depths, tree.parents, strict=True)) == [
        (5, 0, 0), (40, 1, 0), (41, 2, 1), (42, 2, 1), (43, 1, 0),
    ]  # fmt: skip
    assert set(tree.seen()) == {
        (0, 0), (1, 1), (1, 0), (2, 2), (2, 1), (2, 0), (3, 3), (3, 1), (3, 0), (4, 4), (4, 0),
    }  # fmt: skip
    assert tree.choices == {0: [(0, 0), (1, 0), (2, 0)], 1: [(0, 0), (1, 1), (3, 0)], 2: [(0, 1), (4, 0)],
                            3: [(0, 0), (1, 2)]}  # fmt: skip


def test_all_choices_of_several_questions_are_scored_in_one_pass(engine: BlipEngine) -> None:
    # Given
    asked = [Question("what color is it?", choices=COLORS), Question("what is it?", choices=("mug", "shoe", "lamp"))]
    images = [handle(engine, product(number)) for number in range(4)]
    requests = [request(image, question) for image in images for question in asked]
    alone = [ask(engine, [one])[0] for one in requests]
    before = engine.counters()

    # When
    with Turns(engine):
        tickets = [engine.submit(one) for one in requests]
    answers = [ticket.result(SECONDS) for ticket in tickets]

    # Then
    grown = growth(engine, before)
    assert (grown["choices"], grown["choice_passes"], grown["answer_steps"]) == (4 * (len(COLORS) + 3), 1, 0)
    assert essence(answers) == essence(alone)


def test_as_many_choices_as_a_question_may_have_are_scored_as_they_are_alone(engine: BlipEngine) -> None:
    # Given
    things = ("mug", "shoe", "lamp", "hat", "bottle", "chair", "watch", "bag")
    words = [f"{first} {second} {third}" for first in things for second in things for third in things]
    choices = tuple(words[:500])
    image = handle(engine, product())
    before = engine.counters()

    # When
    (answer,) = ask(engine, [request(image, Question("what is it?", choices=choices))])

    # Then: they took several passes, and are as likely, beside each other, as when a few are asked about, but for the
    # mean of the lengths, which is a factor of all logarithms
    grown = growth(engine, before)
    assert grown["choices"] == 500
    assert grown["choice_passes"] >= 500 / PASS_TOKENS
    few = choices[7], choices[300], choices[499]
    (small,) = ask(engine, [request(image, Question("what is it?", choices=few))])
    factors = [alone / among for alone, among in zip(_log_odds(small, few), _log_odds(answer, few), strict=True)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-3)
    assert factors[0] == pytest.approx(1, rel=0.2)


def _log_odds(answer: Answer, texts: tuple[str, ...]) -> list[float]:
    """Returns how much likelier than the first the others are."""
    found = {choice.text: math.log(choice.probability) for choice in answer.choices or ()}
    return [found[text] - found[texts[0]] for text in texts[1:]]


# Scheduling. ----------------------------------------------------------------------------------------


def test_decoding_goes_on_in_full_steps_as_long_as_there_are_images(engine: BlipEngine) -> None:
    # Given: captions of many lengths
    lengths = [4 + number % 9 for number in range(7 * LANE_SLOTS)]
    before = engine.counters()

    # When
    with Turns(engine) as turns:
        tickets = [
            engine.submit(request(handle(engine, product(number % 5)), max_new_tokens=length))
            for number, length in enumerate(lengths)
        ]
        turns.allow(50)
        grown = growth(engine, before)

    # Then
    for ticket in tickets:
        ticket.result(SECONDS)
    assert grown["caption_steps"] > 10
    assert grown["caption_rows"] / grown["caption_steps"] >= 0.9 * LANE_SLOTS


def test_images_are_encoded_only_as_the_stages_behind_need_them(engine: BlipEngine) -> None:
    # Given
    before = engine.counters()

    # When
    with Turns(engine) as turns:
        tickets = [engine.submit(request(handle(engine, product(number % 5)))) for number in range(200)]
        turns.allow(30)
        grown = growth(engine, before)

    # Then: no more encodings are kept than the lane holds, with one wave more under way
    for ticket in tickets:
        ticket.result(SECONDS)
    assert grown["images"] - grown["answers"] <= LANE_SLOTS + WAVE


def test_a_caption_among_questions_without_end_is_not_forgotten(engine: BlipEngine) -> None:
    # Given: an encoded image, so that every turn is a stage's
    image = handle(engine, product())
    (alone,) = ask(engine, [request(image)])
    before = engine.counters()

    # When
    with Turns(engine) as turns:
        caption = engine.submit(request(image))
        questions: list[Ticket] = []
        while not caption.done():
            while sum(not ticket.done() for ticket in questions) < 3 * LANE_SLOTS:
                questions.append(engine.submit(request(image, "what is it?")))
            turns.allow(1)
        grown = growth(engine, before)

    # Then
    assert grown["caption_steps"] == alone.tokens
    turns_taken = grown["caption_steps"] + grown["answer_steps"] + grown["question_batches"]
    assert turns_taken <= (PATIENCE + 1) * (alone.tokens + 1)
    assert all(ticket.result(SECONDS).text for ticket in questions)
