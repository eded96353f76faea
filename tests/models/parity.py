"""The engine's texts beside those of transformers: equal in FP32, token for token."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import pytest
from helpers.engine_calls import ask, request
from models.blip_reference import Expected, Reference
from PIL import Image

from askpix.producer.rows import Answer
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.images.decode import decode

QUESTIONS = (
    "what?",
    "what color is the product?",
    "how many striped red mugs are there on the wooden background, and is a star or a heart printed on one of them?",
)

Texts = Sequence[str | None]
"""What is asked of each image; None asks for a caption."""


def expected_texts(reference: Reference, files: Iterable[bytes], texts: Texts) -> list[Expected]:
    """Returns what transformers says of each image, one image and one text at a time."""
    found = []
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            found += [reference.caption(image) if text is None else reference.answer(image, text) for text in texts]
    return found


def engine_texts(engine: BlipEngine, files: Iterable[bytes], texts: Texts, max_new_tokens: int) -> list[Answer]:
    """Returns what the engine says of each image, all of them under way together."""
    handles = [engine.open_image(decode(file, engine.image_form).pixels) for file in files]
    return ask(engine, [request(one, text, max_new_tokens=max_new_tokens) for one in handles for text in texts])


def assert_same(answers: Sequence[Answer], expected: Sequence[Expected]) -> None:
    assert len({one.text for one in expected}) > 1, "a model that says one thing only shows little"
    assert [(answer.text, answer.tokens) for answer in answers] == [(one.text, one.tokens) for one in expected]
    assert [answer.confidence for answer in answers] == pytest.approx([one.confidence for one in expected], abs=1e-3)
