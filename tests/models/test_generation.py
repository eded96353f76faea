"""Generation settings: the same tokens as transformers' `generate`, and what is drawn by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from catalogue import picture
from helpers.engine_calls import ask, handle, mixed, opened, product, request
from helpers.random_blip import BASE, CAPTIONING, ODD, Recipe, built
from models.blip_reference import Reference
from scipy import stats

from askpix.producer.rows import Answer
from askpix.worker.blip.engine import BlipEngine

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

SETTINGS = (
    pytest.param({"num_beams": 3}, id="beams"),
    pytest.param({"num_beams": 3, "length_penalty": -4.0}, id="beams, short ones"),
    pytest.param({"num_beams": 4, "length_penalty": 3.0, "num_return_sequences": 4}, id="beams, long ones, all"),
    pytest.param({"repetition_penalty": 4.0}, id="repetition"),
    pytest.param({"no_repeat_ngram_size": 1}, id="n-grams of one"),
    pytest.param({"no_repeat_ngram_size": 2, "min_new_tokens": 9}, id="n-grams, shortest"),
    pytest.param(
        {"num_beams": 3, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_new_tokens": 7}, id="all of them"
    ),
)

DEMO_IMAGES = 100


def _said(answer: Answer) -> list[str]:
    return [answer.text, *(other.text for other in answer.alternatives or ())]


def _expected(reference: Reference, asked: Iterable[tuple[Any, str | None]], **settings: Any) -> list[Any]:
    return [reference.texts(image, question, **settings) for image, question in asked]


def _assert_same(answers: list[Answer], expected: list[Any]) -> None:
    assert [_said(answer) for answer in answers] == [[text for text, _ in texts] for texts in expected]
    assert [answer.tokens for answer in answers] == [texts[0][1] for texts in expected]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_demo_models_texts_are_those_of_transformers(
    demo_engine: BlipEngine, demo_reference: Reference, settings: dict[str, Any]
) -> None:
    # Given: of each image a caption, or the answer to a question
    asked = []
    for number in range(DEMO_IMAGES):
        image, _, questions = picture(5151, number)
        asked.append((image, questions[number % len(questions)][0] if number % 3 == 2 else None))
    expected = _expected(demo_reference, asked, max_new_tokens=16, **settings)

    # When: all are under way together
    requests = [request(handle(demo_engine, image), text, max_new_tokens=16, **settings) for image, text in asked]
    answers = ask(demo_engine, requests)

    # Then
    _assert_same(answers, expected)
    plain = ask(demo_engine, [request(handle(demo_engine, image), text, max_new_tokens=16) for image, text in asked])
    if settings != {"num_beams": 3}:
        assert list(map(_said, answers)) != list(map(_said, plain)), "settings that change nothing show little"


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("recipe", [ODD, CAPTIONING], ids=lambda recipe: recipe.name)
def test_a_random_models_texts_are_those_of_transformers(recipe: Recipe, settings: dict[str, Any]) -> None:
    # Given
    model = built(recipe)
    questions = (None, "what color is the product?") if recipe is ODD else (None,)
    asked = [(product(number), question) for number in range(4) for question in questions]
    expected = _expected(Reference(model.checkpoint), asked, max_new_tokens=12, **settings)

    # When
    with opened(model.folder) as engine:
        answers = ask(
            engine, [request(handle(engine, image), text, max_new_tokens=12, **settings) for image, text in asked]
        )

    # Then
    _assert_same(answers, expected)


@pytest.mark.timeout(900)
def test_a_base_size_models_texts_are_those_of_transformers() -> None:
    # Given
    model = built(BASE)
    asked = [(product(0), None), (product(1), "what color is the product?")]
    reference = Reference(model.checkpoint, threads=2)
    kinds: list[dict[str, Any]] = [param.values[0] for param in SETTINGS]  # type: ignore[misc]
    expected = [_expected(reference, asked, max_new_tokens=6, **_short(kind)) for kind in kinds]

    # When
    with opened(model.folder) as engine:
        handles = [handle(engine, image) for image, _ in asked]
        answers = ask(
            engine,
            [
                request(one, text, max_new_tokens=6, **_short(kind))
                for kind in kinds
                for one, (_, text) in zip(handles, asked, strict=True)
            ],
        )

    # Then
    _assert_same(answers, [texts for kind in expected for texts in kind])


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: min(value, 5) if name == "min_new_tokens" else value for name, value in settings.items()}


def test_beams_are_the_same_alone_and_among_others(demo_engine: BlipEngine) -> None:
    # Given
    def searched() -> list[Any]:
        return [
            request(handle(demo_engine, product(number)), num_beams=2 + number % 7, num_return_sequences=2)
            for number in range(12)
        ]

    alone = [ask(demo_engine, [one])[0] for one in searched()]

    # When: more rows than the lane has places, and rows of other kinds between them
    others = mixed(demo_engine, 24)
    between = [one for pair in zip(searched(), others, strict=False) for one in pair]
    together = ask(demo_engine, between)[::2]

    # Then
    assert [_said(one) for one in together] == [_said(one) for one in alone]
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], abs=1e-3)


def test_an_urgent_search_wider_than_the_urgent_places_is_answered(demo_engine: BlipEngine) -> None:
    # Given
    images = [handle(demo_engine, product(number)) for number in range(40)]

    # When
    tickets = [demo_engine.submit(request(one)) for one in images]
    (urgent,) = ask(demo_engine, [request(images[0], num_beams=32, num_return_sequences=32, urgent=True)])

    # Then
    assert len(set(_said(urgent))) == 32
    assert all(ticket.result(60).text for ticket in tickets)


# Drawing. -------------------------------------------------------------------------------------------


def test_what_is_drawn_follows_from_the_seed_whoever_shares_the_batch(demo_engine: BlipEngine) -> None:
    # Given
    def drawn(seed: int) -> list[Any]:
        return [
            request(handle(demo_engine, product(number)), temperature=3.0, top_k=0, seed=seed, num_return_sequences=3)
            for number in range(6)
        ]

    alone = [_said(ask(demo_engine, [one])[0]) for one in drawn(7)]

    # When
    again = [_said(one) for one in ask(demo_engine, [*mixed(demo_engine, 10), *drawn(7)])[10:]]
    other = [_said(one) for one in ask(demo_engine, drawn(8))]

    # Then
    assert again == alone
    assert all(mine != theirs for mine, theirs in zip(alone, other, strict=True))
    assert all(len(set(texts)) > 1 for texts in alone), "texts of one image differ"


def test_first_tokens_are_drawn_as_often_as_transformers_would_draw_them() -> None:
    # Given
    model, image, texts = built(ODD), product(3), 32 * 150
    settings = {"temperature": 1.7, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.2}
    reference = Reference(model.checkpoint)
    probabilities = reference.next_probabilities(image, "what?", **settings).numpy()

    # When
    counts = _drawn(model.folder, image, texts, max_new_tokens=1, **settings)

    # Then
    tokens = np.flatnonzero(probabilities)
    named = [reference.tokenizer.decode([token], skip_special_tokens=True).strip() for token in tokens]
    assert 10 < len(tokens) <= 40
    assert counts.keys() <= set(named)
    seen = [counts[name] for name in named]
    assert stats.chisquare(seen, probabilities[tokens] * texts).pvalue > 0.001


def test_texts_are_drawn_as_often_as_transformers_draws_them() -> None:
    # Given: of three tokens each, from the three likeliest
    model, image, texts = built(ODD), product(4), 32 * 100
    settings = {"top_k": 3, "temperature": 2.0}
    reference = Reference(model.checkpoint)
    theirs = Counter(
        text
        for text, _ in reference.texts(
            image, "what?", max_new_tokens=3, do_sample=True, num_return_sequences=texts, **settings
        )
    )

    # When
    ours = _drawn(model.folder, image, texts, max_new_tokens=3, **settings)

    # Then
    common = [text for text in ours.keys() | theirs.keys() if ours[text] + theirs[text] >= 10]
    assert len(common) > 10
    table = [[counts[text] for text in common] for counts in (ours, theirs)]
    assert stats.chi2_contingency(table).pvalue > 0.001


def _drawn(folder: Any, image: Any, texts: int, **settings: Any) -> Counter[str]:
    with opened(folder) as engine:
        one = handle(engine, image)
        asked = [request(one, "what?", seed=seed, num_return_sequences=32, **settings) for seed in range(texts // 32)]
        return Counter(text for answer in ask(engine, asked) for text in _said(answer))
