"""Image-text matching: the same scores as transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.engine_calls import ask, handle, opened, png, product, request
from helpers.random_blip import MATCHING, ODD, built
from models.blip_reference import Reference

from askpix.producer.client import Job
from askpix.producer.questions import Question
from askpix.producer.rows import Kind
from askpix.worker.converting.quantize import Check, quantize
from askpix.worker.engine.base import Ability
from askpix.worker.image_form import Pixels
from askpix.worker.item_errors import RequestError
from askpix.worker.models.folder import load_manifest

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

TEXTS = (
    "a mug",
    "two striped red mugs on a wooden background",
    "shoe",
    "a very dark picture of nothing at all, with a star or a heart printed on one of them",
)


def _askpix(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "askpix"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_scores_are_those_of_transformers() -> None:
    # Given
    model, images = built(MATCHING), [product(number) for number in range(6)]
    reference = Reference(model.checkpoint)
    expected = [reference.match(image, text) for image in images for text in TEXTS]

    # When: all at once, so that an image's texts are read together
    with opened(model.folder) as engine:
        handles = [handle(engine, image) for image in images]
        asked = [request(one, Question(text, match=True)) for one in handles for text in TEXTS]
        answers = ask(engine, asked)
        # No setting is of any matter to a score.
        settings = {"max_new_tokens": 512, "min_new_tokens": 30, "num_beams": 3}
        again = ask(engine, [request(handles[0], Question(TEXTS[0], match=True), **settings)])

    # Then
    assert max(expected) - min(expected) > 0.1, "scores that hardly differ show little"
    assert [answer.confidence for answer in answers] == pytest.approx(expected, abs=1e-3)
    assert [answer.text for answer in answers] == ["yes" if score >= 0.5 else "no" for score in expected]
    assert again[0].confidence == pytest.approx(expected[0], abs=1e-3)
    assert {(answer.kind, answer.tokens) for answer in answers} == {(Kind.MATCH, 0)}


def test_a_model_that_matches_says_what_else_it_does_not() -> None:
    with opened(built(MATCHING).folder) as engine:
        assert engine.abilities == {Ability.MATCH}
        image = handle(engine, product())
        with pytest.raises(RequestError, match="does not answer questions") as answer:
            engine.submit(request(image, "what is it?"))
        with pytest.raises(RequestError, match="does not caption: give it a text") as caption:
            engine.submit(request(image))
        with pytest.raises(RequestError, match="the text is empty") as empty:
            engine.submit(request(image, Question(" ", match=True)))
    assert (answer.value.code, caption.value.code) == ("cannot_answer", "cannot_caption")
    assert empty.value.code == "empty_question"


def test_a_model_that_answers_says_that_it_does_not_match() -> None:
    with opened(built(ODD).folder) as engine, pytest.raises(RequestError, match="how well texts fit") as raised:
        engine.submit(request(handle(engine, product()), Question("a mug", match=True)))
    assert raised.value.code == "cannot_match"


def test_a_column_of_texts_is_scored_against_its_images(tmp_path: Path) -> None:
    # Given
    model = built(MATCHING)
    reference = Reference(model.checkpoint)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(product(number)))
    lines = [f'{number}.png,"{TEXTS[number]}"' for number in range(3)]
    (tmp_path / "list.csv").write_text("\n".join(["image,caption", *lines]))

    # When
    ended = _askpix(
        "run", tmp_path / "list.csv", "--output", tmp_path / "job", "--model", model.folder, "--precision", "f32",
        "--match-column", "caption",
    )  # fmt: skip

    # Then
    assert ended.returncode == 0, ended.stderr
    answers = [row.answers[0] for row in Job.open(str(tmp_path / "job")).results()]
    assert [answer.question for answer in answers] == list(TEXTS[:3])
    assert [answer.confidence for answer in answers] == pytest.approx(
        [reference.match(product(number), TEXTS[number]) for number in range(3)], abs=1e-3
    )


def test_a_model_that_matches_is_quantized_on_images_and_texts(tmp_path: Path) -> None:
    # Given
    source = built(MATCHING).folder
    side = load_manifest(source).image.width
    noise = np.random.default_rng(1)
    images: list[Pixels] = [noise.integers(0, 255, (side, side, 3), np.uint8) for _ in range(24)]

    # When
    manifest = quantize(source, tmp_path / "int8", images, questions=TEXTS, check=Check(min_agreement=0))

    # Then
    assert manifest.quantization is not None
    assert manifest.quantization.components == {"vision_encoder": "int8", "text_encoder": "int8"}
    assert manifest.quantization.agreement is not None
    assert list(manifest.quantization.agreement.shares) == ["match scores"]
    with opened(tmp_path / "int8") as engine:
        (answer,) = ask(engine, [request(engine.open_image(images[0]), Question(TEXTS[0], match=True))])
    assert 0 < answer.confidence < 1
