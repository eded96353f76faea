"""What the BLIP engine does with requests that cannot be answered, and when the device fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from catalogue import picture
from models.engine_calls import SECONDS, ask, essence, handle, opened, request
from PIL import Image

from askpix.producer.items import Options, Question
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.blip.work import BlipImage
from askpix.worker.engine.base import Request
from askpix.worker.errors import RequestError
from askpix.worker.local import demo_model

LONGEST = 64
"""Tokens that the demo model's texts may have."""


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


def _picture(number: int = 0) -> Image.Image:
    return picture(8181, number)[0]


def _answers_all(engine: BlipEngine) -> bool:
    """Returns whether an engine captions and answers as ever."""
    handles = [handle(engine, _picture(number)) for number in range(8)]
    requests = [request(image, asked) for image in handles for asked in (None, "what is it?", CHOICE)]
    return all(answer.text and answer.finish_reason == "stop" for answer in ask(engine, requests))


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((120, 120, 3), np.float32), id="floats"),
        pytest.param(np.zeros((120, 119, 3), np.uint8), id="another size"),
        pytest.param(np.zeros((3, 120, 120), np.uint8), id="channels first"),
        pytest.param(np.zeros((120, 120, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((120, 120), np.uint8), id="gray"),
    ],
)
def test_pixels_of_another_form_are_refused(engine: BlipEngine, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[120, 120, 3\] is needed"):
        engine.open_image(pixels)


def test_an_image_of_another_engine_is_refused(engine: BlipEngine) -> None:
    with opened(demo_model()) as other, pytest.raises(ValueError, match="another engine"):
        engine.submit(request(handle(other, _picture())))


_WORDS = ("it " * 200).split()


@pytest.mark.parametrize(
    ("question", "options", "code"),
    [
        pytest.param("", {}, "empty_question", id="empty"),
        pytest.param(" \n\t", {}, "empty_question", id="blank"),
        pytest.param(" ".join(_WORDS[: LONGEST - 1]), {}, "too_long", id="question, with [CLS] and [SEP]"),
        pytest.param("what?", {"max_new_tokens": LONGEST + 1}, "too_long", id="answer"),
        pytest.param(None, {"max_new_tokens": LONGEST + 1}, "too_long", id="caption"),
        pytest.param(None, {"prompt": " ".join(_WORDS[:45])}, "too_long", id="prompt and 20 new tokens"),
        pytest.param(Question("what?", choices=("yes", " ".join(_WORDS[:LONGEST]))), {}, "too_long", id="choice"),
        pytest.param(Question("what?", choices=("Red", "red")), {}, "choices_alike", id="choices that read the same"),
    ],
)
def test_a_text_that_cannot_be_answered_fails_at_once(
    engine: BlipEngine, question: Question | str | None, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(RequestError) as raised:
        engine.submit(request(handle(engine, _picture()), question, **options))
    assert (raised.value.code, raised.value.retryable) == (code, False)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("question", "options"),
    [
        pytest.param(" ".join(_WORDS[: LONGEST - 2]), {}, id="question, with [CLS] and [SEP]"),
        pytest.param("what?", {"max_new_tokens": LONGEST}, id="answer"),
        pytest.param(None, {"prompt": " ".join(_WORDS[:44])}, id="prompt and 20 new tokens"),
        pytest.param(Question("what?", choices=("yes", " ".join(_WORDS[: LONGEST - 1]))), {}, id="choice"),
    ],
)
def test_a_text_as_long_as_the_model_takes_is_answered(
    engine: BlipEngine, question: Question | str | None, options: dict[str, Any]
) -> None:
    (answer,) = ask(engine, [request(handle(engine, _picture()), question, **options)])
    assert answer.text
    assert 0 < answer.confidence <= 1


@pytest.mark.parametrize("number", [0, 2])
def test_a_request_needs_exactly_one_image(engine: BlipEngine, number: int) -> None:
    image = handle(engine, _picture())
    with pytest.raises(RequestError, match="one image at a time"):
        engine.submit(Request(images=(image,) * number, question=None, options=Options()))


@pytest.fixture
def fragile() -> Iterator[BlipEngine]:
    """An engine of its own for a test that makes it fail."""
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def encoded(fragile: BlipEngine) -> BlipImage:
    """An image with its encoding, for tests to spoil, so that what comes after it fails in earnest."""
    image = handle(fragile, _picture())
    assert isinstance(image, BlipImage)
    ask(fragile, [request(image)])
    assert image.states is not None
    return image


CHOICE = Question("what is it?", choices=("mug", "shoe"))


@pytest.mark.parametrize(
    ("question", "stage"),
    [
        pytest.param(None, "_captions", id="decoding a caption"),
        pytest.param("what is it?", "_answers", id="decoding an answer"),
        pytest.param(CHOICE, "_answers", id="scoring choices"),
        pytest.param("what is it?", None, id="reading a question"),
    ],
)
def test_a_batch_that_the_device_refuses_fails_and_the_engine_goes_on(
    fragile: BlipEngine, encoded: BlipImage, question: Question | str | None, stage: str | None
) -> None:
    # given a lane with an infer request of another graph, or states of a width that no graph takes
    with pytest.MonkeyPatch.context() as patch:
        if stage is None:
            assert encoded.states is not None
            encoded.states = encoded.states[:, :-1]
        else:
            patch.setattr(getattr(fragile, stage), "_request", fragile._questions._request)

        # when
        failing = fragile.submit(request(encoded, question))

        # then
        with pytest.raises(RequestError) as raised:
            failing.result(SECONDS)
    assert (raised.value.code, raised.value.retryable) == ("model_failed", True)
    assert raised.value.message.isprintable()
    assert _answers_all(fragile)


def test_images_that_the_device_refuses_fail_and_can_be_asked_about_again(fragile: BlipEngine) -> None:
    # given infer requests of another graph
    images = [handle(fragile, _picture(number)) for number in range(12)]
    with pytest.MonkeyPatch.context() as patch:
        for vision in list(fragile._vision._idle):
            patch.setattr(vision, "_request", fragile._questions._request)

        # when
        tickets = [fragile.submit(request(image, asked)) for image in images for asked in (None, "what is it?")]

        # then
        for ticket in tickets:
            with pytest.raises(RequestError) as raised:
                ticket.result(SECONDS)
            assert (raised.value.code, raised.value.retryable) == ("model_failed", True)
    assert all(answer.text for answer in ask(fragile, map(request, images)))


@pytest.mark.parametrize("question", [None, "what is it?"])
def test_numbers_that_overflow_fail_their_own_request_and_no_later_one(
    fragile: BlipEngine, encoded: BlipImage, question: str | None
) -> None:
    # given what an overflow leaves, as half precision can
    sound = request(handle(fragile, _picture(1)), question)
    expected = ask(fragile, [sound])
    assert encoded.states is not None
    encoded.states = np.full_like(encoded.states, np.nan)

    # when
    spoiled = fragile.submit(request(encoded, question))

    # then
    with pytest.raises(RequestError) as raised:
        spoiled.result(SECONDS)
    assert raised.value.code == "model_failed"
    assert essence(ask(fragile, [sound])) == essence(expected)
