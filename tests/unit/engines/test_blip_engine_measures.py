"""What an engine says of its stages goes with what it has done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.engine_calls import ask, handle, mixed, opened, product, request
from helpers.processes import wait_until

from askpix.worker.blip.engine import LANE_SLOTS, BlipEngine
from askpix.worker.local import demo_model

COUNTERS = {
    "vision_encoder": ("vision_batches", "images"),
    "question_encoder": ("question_batches", "questions"),
    "choices": ("choice_passes", "choices"),
    "caption_decoder": ("caption_steps", "caption_rows"),
    "answer_decoder": ("answer_steps", "answer_rows"),
}
"""What the engine counts beside: batches of each stage, and what was in them."""


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


def test_batches_and_what_is_in_them_are_those_that_it_counts(engine: BlipEngine) -> None:
    # When
    ask(engine, mixed(engine))

    # Then: as soon as the engine's thread has come to the end of what gave the last answer.
    def batches_told() -> int:
        return sum(sum(tally.sizes.read().counts) for tally in engine.measures().stages.values())

    counters = engine.counters()
    expected = sum(counters[batches] for batches, _ in COUNTERS.values())
    wait_until(lambda: batches_told() == expected, within=10, what=f"{expected} batches")
    measures = engine.measures()
    assert measures.stages.keys() == COUNTERS.keys()
    for stage, (batches, things) in COUNTERS.items():
        sizes, seconds = measures.stages[stage].sizes.read(), measures.stages[stage].seconds.read()
        assert sum(sizes.counts) == sum(seconds.counts) == counters[batches] > 0, stage
        assert sizes.total == counters[things], stage
        assert seconds.total > 0, stage


def test_what_is_done_leaves_nothing_under_way(engine: BlipEngine) -> None:
    ask(engine, mixed(engine))

    wait_until(lambda: engine.measures().under_way == 0, within=10, what="the end of the last request")
    assert engine.measures().rows == {"caption_decoder": (0, LANE_SLOTS), "answer_decoder": (0, LANE_SLOTS)}


def test_an_image_that_is_asked_again_is_one_that_is_reused(engine: BlipEngine) -> None:
    # Given
    before = engine.measures().reused or 0
    image = handle(engine, product())

    # When: three questions together, and one when these have their answers.
    ask(engine, [request(image, text) for text in ("what color is it?", "what is it?", None)])
    ask(engine, [request(image, None)])

    # Then: all but the first.
    assert engine.measures().reused == before + 3
