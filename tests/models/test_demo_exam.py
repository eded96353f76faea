"""The shipped demo model, examined: as good as promised."""

from __future__ import annotations

from collections.abc import Iterator

from catalogue import picture
from helpers.engine_calls import ask, handle, request

from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.base import Request

EXAM_SEED, EXAM = 5151, 1_000


def test_the_demo_model_captions_96_and_answers_98_percent_of_fresh_pictures_right(demo_engine: BlipEngine) -> None:
    # Given
    truths: list[str] = []

    def requests() -> Iterator[Request]:
        for number in range(EXAM):
            image, product, asked = picture(EXAM_SEED, number)
            opened = handle(demo_engine, image)
            truths.extend((product.caption, *(answer for _, answer in asked)))
            yield request(opened)
            yield from (request(opened, question) for question, _ in asked)

    # When
    answers = ask(demo_engine, requests())

    # Then
    right = [answer.text == truth for answer, truth in zip(answers, truths, strict=True)]
    captions = [is_right for answer, is_right in zip(answers, right, strict=True) if answer.question is None]
    answered = [is_right for answer, is_right in zip(answers, right, strict=True) if answer.question is not None]
    assert len(captions) == EXAM
    assert len(answered) >= 9 * EXAM
    reached = f"captions {sum(captions) / len(captions):.3f}, answers {sum(answered) / len(answered):.4f}"
    assert sum(captions) >= 0.96 * len(captions), reached
    assert sum(answered) >= 0.98 * len(answered), reached
