"""What the BLIP engine does with requests that cannot be answered, and when the device fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from helpers.engine_calls import SECONDS, Turns, ask, essence, handle, opened, product, request

from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.blip.engine import LANE_SLOTS, BlipEngine
from askpix.worker.blip.work import BlipImage
from askpix.worker.engine.base import Request
from askpix.worker.engine.failures import reason_of
from askpix.worker.item_errors import RequestError
from askpix.worker.local import demo_model
from askpix.worker.logs.about import about
from askpix.worker.logs.setup import LogForm, formatter

LONGEST = 64
"""Tokens that the demo model's texts may have."""


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


def _answers_all(engine: BlipEngine) -> bool:
    """Returns whether an engine captions and answers as ever."""
    handles = [handle(engine, product(number)) for number in range(8)]
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
        engine.submit(request(handle(other, product())))


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
        engine.submit(request(handle(engine, product()), question, **options))
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
    (answer,) = ask(engine, [request(handle(engine, product()), question, **options)])
    assert answer.text
    assert 0 < answer.confidence <= 1


@pytest.mark.parametrize("number", [0, 2])
def test_a_request_needs_exactly_one_image(engine: BlipEngine, number: int) -> None:
    image = handle(engine, product())
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
    image = handle(fragile, product())
    assert isinstance(image, BlipImage)
    ask(fragile, [request(image)])
    assert image.states is not None
    return image


CHOICE = Question("what is it?", choices=("mug", "shoe"))


@contextmanager
def refused(engine: BlipEngine, image: BlipImage, stage: str | None) -> Iterator[None]:
    """Has the device refuse what is asked of an image, by an infer request of another graph in a stage, or for good by
    states of a width that no graph takes."""
    with pytest.MonkeyPatch.context() as patch:
        if stage is None:
            assert image.states is not None
            image.states = image.states[:, :-1]
        else:
            patch.setattr(getattr(engine, stage)._decoder, "_infer_request", engine._questions._infer_request)
        yield


@pytest.mark.parametrize(
    ("question", "stage"),
    [
        pytest.param(None, "_captions", id="decoding a caption"),
        pytest.param("what is it?", "_answers", id="decoding an answer"),
        pytest.param(CHOICE, "_choices", id="scoring choices"),
        pytest.param("what is it?", None, id="reading a question"),
        pytest.param(None, None, id="letting a caption into its lane"),
    ],
)
def test_a_batch_that_the_device_refuses_fails_and_the_engine_goes_on(
    fragile: BlipEngine, encoded: BlipImage, question: Question | str | None, stage: str | None
) -> None:
    # Given
    with refused(fragile, encoded, stage):
        # When
        failing = fragile.submit(request(encoded, question))

        # Then
        with pytest.raises(RequestError) as raised:
            failing.result(SECONDS)
    assert (raised.value.code, raised.value.retryable) == ("model_failed", True)
    assert raised.value.message.isprintable()
    assert _answers_all(fragile)


def test_images_that_the_device_refuses_fail_and_can_be_asked_about_again(fragile: BlipEngine) -> None:
    # Given: infer requests of another graph
    images = [handle(fragile, product(number)) for number in range(12)]
    with pytest.MonkeyPatch.context() as patch:
        for vision in fragile._vision._infer_requests:
            patch.setattr(vision, "_infer_request", fragile._questions._infer_request)

        # When
        tickets = [fragile.submit(request(image, asked)) for image in images for asked in (None, "what is it?")]

        # Then
        for ticket in tickets:
            with pytest.raises(RequestError) as raised:
                ticket.result(SECONDS)
            assert (raised.value.code, raised.value.retryable) == ("model_failed", True)
    assert all(answer.text for answer in ask(fragile, map(request, images)))


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """Lines of askpix's log as programs read them."""
    found: list[dict[str, Any]] = []
    handler = logging.Handler()
    handler.setFormatter(formatter(LogForm(json=True)))
    handler.emit = lambda record: found.append(json.loads(handler.format(record)))  # type: ignore[method-assign]
    logging.getLogger("askpix").addHandler(handler)
    yield found
    logging.getLogger("askpix").removeHandler(handler)


@pytest.mark.parametrize(
    ("question", "stage", "said"),
    [
        pytest.param(None, "_captions", "a batch failed on CPU", id="decoding a caption"),
        pytest.param("what is it?", "_answers", "a batch failed on CPU", id="decoding an answer"),
        pytest.param(CHOICE, "_choices", "a batch failed on CPU", id="scoring choices"),
        pytest.param("what is it?", None, "a batch failed on CPU", id="reading a question"),
        pytest.param(None, None, "a row could not be let in", id="letting a caption into its lane"),
    ],
)
def test_the_log_says_of_which_item_a_batch_failed(
    fragile: BlipEngine,
    encoded: BlipImage,
    logged: list[dict[str, Any]],
    question: Question | str | None,
    stage: str | None,
    said: str,
) -> None:
    # Given
    with refused(fragile, encoded, stage):
        # When
        with about(job="/jobs/a", part=3, item="mug"):
            failing = fragile.submit(request(encoded, question))
        with pytest.raises(RequestError):
            failing.result(SECONDS)
    # Whoever asked is told before it is logged, and what comes next after it.
    ask(fragile, [request(handle(fragile, product(2)))])

    # Then
    (line,) = [line for line in logged if line["level"] == "error"][:1]
    assert line["message"].startswith(said)
    assert (line["job"], line["part"], line["item"]) == ("/jobs/a", 3, "mug")
    assert "Traceback" in line["exception"]


def test_the_log_says_of_which_images_a_wave_failed(fragile: BlipEngine, logged: list[dict[str, Any]]) -> None:
    # Given: infer requests of another graph
    images = [handle(fragile, product(number)) for number in range(12)]
    with pytest.MonkeyPatch.context() as patch:
        for vision in fragile._vision._infer_requests:
            patch.setattr(vision, "_infer_request", fragile._questions._infer_request)

        # When
        tickets = []
        for number, image in enumerate(images):
            with about(job="/jobs/a", item=f"picture-{number}"):
                tickets.append(fragile.submit(request(image)))
        for ticket in tickets:
            with pytest.raises(RequestError):
                ticket.result(SECONDS)
    ask(fragile, map(request, images))

    # Then
    failed = [line for line in logged if line["message"].startswith("images could not be")]
    named = {item for line in failed for item in line.get("items", [line.get("item")])}
    assert named >= {f"picture-{number}" for number in range(8)}
    assert all(line["job"] == "/jobs/a" for line in failed)


@pytest.mark.parametrize("question", [None, "what is it?", CHOICE])
def test_numbers_that_overflow_fail_their_own_request_and_no_later_one(
    fragile: BlipEngine, encoded: BlipImage, question: Question | str | None
) -> None:
    # Given: what an overflow leaves, as half precision can
    sound = request(handle(fragile, product(1)), question)
    expected = ask(fragile, [sound])
    assert encoded.states is not None
    encoded.states = np.full_like(encoded.states, np.nan)

    # When
    spoiled = fragile.submit(request(encoded, question))

    # Then
    with pytest.raises(RequestError) as raised:
        spoiled.result(SECONDS)
    assert raised.value.code == "model_failed"
    assert essence(ask(fragile, [sound])) == essence(expected)


# As OpenVINO 2026.4 words them.
_TENSOR = """Exception from src/inference/src/cpp/infer_request.cpp:75:
Exception from src/inference/src/cpp/infer_request.cpp:67:
Check 'shape.compatible(ov::PartialShape(tensor->get_shape()))' failed at src/plugins/intel_cpu/src/infer_request.cpp:385:
Can't set the input tensor with index: 2, because the model input (shape=[?,?,128]) and the tensor (shape=(1.5.7)) are incompatible


"""  # noqa: E501 - as it is
_PORT = """Exception from src/inference/src/cpp/infer_request.cpp:75:
Check '::getPort(port, name, {_impl->get_inputs(), _impl->get_outputs()})' failed at src/inference/src/cpp/infer_request.cpp:77:
Port for tensor name nope was not found.

"""  # noqa: E501 - as it is
_LIBRARY = """Exception from src/inference/src/cpp/core.cpp:117:
Cannot load library "libopenvino_intel_gpu_plugin.so": libOpenCL.so.1: cannot open shared object file
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(
            RuntimeError(_TENSOR),
            "Can't set the input tensor with index: 2, because the model input (shape=[?,?,128]) and the tensor"
            " (shape=(1.5.7)) are incompatible",
            id="tensor",
        ),
        pytest.param(RuntimeError(_PORT), "Port for tensor name nope was not found.", id="port"),
        pytest.param(
            RuntimeError(_LIBRARY),
            'Cannot load library "libopenvino_intel_gpu_plugin.so": libOpenCL.so.1: cannot open shared object file',
            id="library",
        ),
        pytest.param(
            RuntimeError("Exception from src/core.cpp:1:\n\n"),
            "Exception from src/core.cpp:1:",
            id="a place and no more",
        ),
        pytest.param(RuntimeError("out of\nmemory\n"), "memory", id="two lines"),
        pytest.param(MemoryError(), "MemoryError", id="no text"),
        pytest.param(RuntimeError("x" * 1_000), "x" * 197 + "...", id="long"),
    ],
)
def test_a_failure_is_told_by_what_went_wrong_not_by_where_in_the_source(error: Exception, said: str) -> None:
    assert reason_of(error) == said


def test_rows_in_work_go_on_when_there_is_no_memory_for_another(
    fragile: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: captions in work, and then memory for the first buffer alone of those that a longer text needs
    images = [handle(fragile, product(number)) for number in range(4)]
    expected = ask(fragile, map(request, images))
    made = np.zeros
    left = iter((1,))

    def zeros(*values: Any) -> np.ndarray:
        if values[0][0] > LANE_SLOTS and next(left, None) is None:
            raise MemoryError
        return made(*values)

    # When
    with Turns(fragile) as turns:
        tickets = [fragile.submit(request(image)) for image in images]
        turns.allow(2)
        monkeypatch.setattr(np, "zeros", zeros)
        failing = fragile.submit(request(images[0], max_new_tokens=LONGEST))

    # Then
    with pytest.raises(RequestError, match="MemoryError"):
        failing.result(SECONDS)
    assert essence(ticket.result(SECONDS) for ticket in tickets) == essence(expected)
