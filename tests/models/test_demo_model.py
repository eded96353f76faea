"""The shipped demo model: the same as its checkpoint in transformers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalogue import picture
from helpers.engine_calls import ask, handle, request
from models.blip_reference import Expected, Reference
from PIL import Image

from askpix.producer.questions import Question
from askpix.producer.rows import Answer
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import Request

FRESH_SEED, FRESH = 4242, 200


@pytest.fixture(scope="module")
def pictures() -> list[tuple[Image.Image, list[str]]]:
    """Fresh pictures with two questions each, others for each picture."""
    found = []
    for number in range(FRESH):
        image, _, asked = picture(FRESH_SEED, number)
        found.append((image, [asked[number % len(asked)][0], asked[(number + 4) % len(asked)][0]]))
    return found


@pytest.fixture(scope="module")
def expected(demo_reference: Reference, pictures: list[tuple[Image.Image, list[str]]]) -> list[Expected]:
    """Each picture's caption, then its two answers, by transformers."""
    found = []
    for image, questions in pictures:
        found += [demo_reference.caption(image), *(demo_reference.answer(image, text) for text in questions)]
    return found


def _answers(engine: BlipEngine, pictures: list[tuple[Image.Image, list[str]]]) -> list[Answer]:
    def requests() -> Iterator[Request]:
        for image, questions in pictures:
            opened = handle(engine, image)
            for question in (None, *questions):
                yield request(opened, question)

    return ask(engine, requests())


def test_fp32_texts_are_those_of_transformers_token_for_token(
    demo_engine: BlipEngine, pictures: list[tuple[Image.Image, list[str]]], expected: list[Expected]
) -> None:
    # When
    answers = _answers(demo_engine, pictures)

    # Then
    assert len({answer.text for answer in answers}) > 50, "texts that hardly differ show little"
    assert [(answer.text, answer.tokens) for answer in answers] == [(one.text, one.tokens) for one in expected]
    assert [answer.confidence for answer in answers] == pytest.approx([one.confidence for one in expected], abs=1e-3)
    assert {answer.finish_reason for answer in answers} == {"stop"}


def test_the_default_precision_gives_at_least_99_percent_of_the_texts_of_transformers(
    default_engine: BlipEngine, pictures: list[tuple[Image.Image, list[str]]], expected: list[Expected]
) -> None:
    # When
    answers = _answers(default_engine, pictures)

    # Then
    other = [(one.text, answer.text) for one, answer in zip(expected, answers, strict=True) if one.text != answer.text]
    assert len(other) <= 0.01 * len(expected), (default_engine.info.precision, other)


@pytest.mark.parametrize("cut", [1, 3])
def test_a_text_that_is_cut_has_the_first_tokens_and_says_so(
    demo_engine: BlipEngine, pictures: list[tuple[Image.Image, list[str]]], expected: list[Expected], cut: int
) -> None:
    # When
    (answer,) = ask(demo_engine, [request(handle(demo_engine, pictures[0][0]), max_new_tokens=cut)])

    # Then
    assert (answer.tokens, answer.finish_reason) == (cut, "length")
    assert expected[0].text.startswith(answer.text)


def test_choices_have_the_probabilities_of_teacher_forcing_in_transformers(
    demo_engine: BlipEngine, demo_reference: Reference
) -> None:
    # Given: choices of one token and of several, of which some begin alike, and some that are all wrong
    asked = [
        Question("what color is it?", choices=("red", "green", "blue", "black")),
        Question("what is printed on it?", choices=("nothing", "a star", "a star and a heart", "a moon")),
        Question("how many are there?", choices=("three", "two", "one")),
        Question("what is it?", choices=("a striped red mug", "mug", "bottle", "shoe", "zebra crossing")),
        Question("what color is it?", choices=("mug", "lamp", "striped")),
    ]
    pictures = [picture(FRESH_SEED, number)[0] for number in range(8)]
    expected = [demo_reference.choices(image, one.text, one.choices or ()) for image in pictures for one in asked]

    # When
    handles = [handle(demo_engine, image) for image in pictures]
    answers = ask(demo_engine, [request(image, question) for image in handles for question in asked])

    # Then
    for answer, probabilities in zip(answers, expected, strict=True):
        assert answer.choices is not None
        assert [choice.probability for choice in answer.choices] == pytest.approx(probabilities, abs=1e-3)
        best = max(answer.choices, key=lambda choice: choice.probability)
        assert (answer.text, answer.confidence) == (best.text, best.probability)
    assert min(max(probabilities) for probabilities in expected) < 0.9, "every choice is easy"
