"""Converted models of other sizes and kinds, with random weights, against transformers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from catalogue import picture
from helpers.engine_calls import ask, handle, opened, png, request
from helpers.random_blip import CAPTIONING, ODD, Built, Recipe, built
from models.blip_reference import Reference
from models.parity import QUESTIONS, assert_same, engine_texts, expected_texts
from PIL import Image

from askpix.producer.questions import Question
from askpix.worker.engine.base import Ability
from askpix.worker.item_errors import RequestError
from askpix.worker.models.folder import load_manifest

# OpenVINO's converter traces with what torch wants to replace.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

NEW_TOKENS = 10
"""Random models ramble on to the end."""


def _pictures(number: int) -> list[Image.Image]:
    return [picture(6161, index)[0] for index in range(number)]


@pytest.mark.parametrize(
    ("recipe", "questions"),
    [
        pytest.param(ODD, QUESTIONS, id="odd sizes"),
        pytest.param(CAPTIONING, (), id="captioning"),
    ],
)
def test_fp32_texts_are_those_of_transformers_token_for_token(recipe: Recipe, questions: tuple[str, ...]) -> None:
    # Given
    model, files, texts = built(recipe), [png(image) for image in _pictures(6)], (None, *questions)
    expected = expected_texts(Reference(model.checkpoint, max_new_tokens=NEW_TOKENS), files, texts)

    # When
    with opened(model.folder) as engine:
        answers = engine_texts(engine, files, texts, NEW_TOKENS)

    # Then
    assert_same(answers, expected)


def test_a_captioning_model_carries_on_from_a_prompt_as_transformers_does() -> None:
    # Given
    model, images = built(CAPTIONING), _pictures(4)
    reference = Reference(model.checkpoint, max_new_tokens=NEW_TOKENS)
    prompts = ("two", "a striped red mug", "a picture of three shoes on a")
    expected = [reference.caption(image, prompt) for image in images for prompt in prompts]

    # When
    with opened(model.folder) as engine:
        handles = [handle(engine, image) for image in images]
        asked = [request(one, prompt=prompt, max_new_tokens=NEW_TOKENS) for one in handles for prompt in prompts]
        answers = ask(engine, asked)

    # Then: the text has the prompt, tokens and confidence are of what follows it
    assert [(answer.text, answer.tokens) for answer in answers] == [(one.text, one.tokens) for one in expected]
    assert [answer.confidence for answer in answers] == pytest.approx([one.confidence for one in expected], abs=1e-3)
    assert answers[1].text.startswith("a striped red mug")


def test_a_captioning_model_says_that_it_answers_no_questions() -> None:
    with opened(built(CAPTIONING).folder) as engine:
        assert engine.abilities == {Ability.CAPTION}
        with pytest.raises(RequestError, match="does not answer questions") as raised:
            engine.submit(request(handle(engine, _pictures(1)[0]), "what is it?"))
    assert raised.value.code == "cannot_answer"


def test_choices_of_a_random_model_have_the_probabilities_of_transformers() -> None:
    # Given
    model, images = built(ODD), _pictures(3)
    reference = Reference(model.checkpoint)
    asked = Question("what is it?", choices=("mug", "a striped red mug on a table", "shoe", "two lamps"))
    expected = [reference.choices(image, asked.text, asked.choices or ()) for image in images]

    # When
    with opened(model.folder) as engine:
        answers = ask(engine, [request(handle(engine, image), asked) for image in images])

    # Then
    for answer, probabilities in zip(answers, expected, strict=True):
        assert [choice.probability for choice in answer.choices or ()] == pytest.approx(probabilities, abs=1e-3)


def test_a_model_that_knows_nothing_prefers_no_choice_for_its_length() -> None:
    # Given: choices of one to six words, drawn anew for each picture
    drawn = random.Random(4)
    words = ("mug", "shirt", "hat", "bag", "lamp", "red", "blue", "star", "plain", "dotted")
    lengths = [1 + number % 6 for number in range(18)]

    def choices() -> tuple[str, ...]:
        while True:
            found = tuple(" ".join(drawn.choices(words, k=length)) for length in lengths)
            if len(set(found)) == len(found):
                return found

    # When
    with opened(built(ODD).folder) as engine:
        asked = [request(handle(engine, one), Question("what?", choices=choices())) for one in _pictures(40)]
        answers = ask(engine, asked)

    # Then: of the likelihoods alone, the correlation is -0.98
    ranks = [np.argsort(np.argsort([one.probability for one in answer.choices or ()])) for answer in answers]
    correlations = [np.corrcoef(rank, lengths)[0, 1] for rank in ranks]
    assert abs(np.mean(correlations)) < 0.15
    assert max(correlations) - min(correlations) > 0.2, "the choices are alike to it"


@pytest.mark.parametrize(
    ("recipe", "abilities"),
    [
        pytest.param(ODD, {Ability.CAPTION, Ability.ANSWER, Ability.CHOICES}, id="answers questions"),
        pytest.param(CAPTIONING, {Ability.CAPTION}, id="captions"),
    ],
)
def test_the_manifest_tells_sizes_and_abilities(recipe: Recipe, abilities: set[Ability]) -> None:
    # Given
    model: Built = built(recipe)

    # When
    manifest = load_manifest(model.folder)

    # Then
    side = recipe.vision["image_size"]
    assert manifest.abilities == abilities
    assert (manifest.name, manifest.source, manifest.precision) == (recipe.name, "checkpoint", "f32")
    assert (manifest.image.width, manifest.image.height, manifest.image.resample) == (side, side, "bicubic")
    assert manifest.sizes.image_tokens == (side // recipe.vision["patch_size"]) ** 2 + 1
    assert (manifest.sizes.hidden, manifest.sizes.image_hidden) == (
        recipe.text["hidden_size"],
        recipe.vision["hidden_size"],
    )
    assert (manifest.sizes.layers, manifest.sizes.heads) == (
        recipe.text["num_hidden_layers"],
        recipe.text["num_attention_heads"],
    )
    assert (manifest.sizes.vocabulary, manifest.sizes.max_positions) == (
        recipe.text["vocab_size"],
        recipe.text["max_position_embeddings"],
    )
    assert set(manifest.versions) == {"openvino", "torch", "transformers"}
    assert ("text_encoder.xml" in manifest.files) == (Ability.ANSWER in abilities)
