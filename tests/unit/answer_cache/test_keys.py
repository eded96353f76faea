"""Two answers are kept under the same key where nothing can tell them apart, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.answers import INFO, asks, sha

from askpix.producer.calibration import Calibration
from askpix.producer.items import Turn
from askpix.producer.questions import Question
from askpix.worker.answer_cache import keys
from askpix.worker.answer_cache.keys import ask_key, engine_mark, image_key
from askpix.worker.engine.base import Request

COLOR = Question("what color is it?", choices=("red", "blue"))
MATCH = Question("a red mug", match=True)
SCHEMA = Question("what is it?", json_schema='{"type": "object"}')


@pytest.mark.parametrize(
    "asked",
    [
        asks("what is it?"),
        asks("What is it?"),
        asks(COLOR),
        asks(Question("what color is it?", choices=("blue", "red"))),
        asks(Question("what color is it?", choices=("red", "blue", "green"))),
        asks(COLOR, system="you see a shop's catalogue"),
        asks(MATCH),
        asks("a red mug"),
        asks(SCHEMA),
        asks(),
        asks(prompt="a photo of"),
        asks("what is it?", system="be brief"),
        asks("what is it?", max_new_tokens=5),
        asks("what is it?", num_beams=3),
        asks("what is it?", do_sample=True),
        asks("what is it?", do_sample=True, seed=1),
        asks("what is it?", stop=("\n",)),
        asks("what is it?", Turn("what is it?", "a mug")),
        asks("what is it?", Turn("what is it?", "a hat")),
        asks("what is it?", Turn("hello?", "hi"), Turn("what is it?", "a mug")),
        asks("what is it?", Turn("hello?", "hi"), Turn("what is it?", "a mug", ("https://shop/a.jpg",))),
        asks("what is it?", Turn("hello?", "hi", ("https://shop/a.jpg",)), Turn("what is it?", "a mug")),
    ],
)
def test_what_is_asked_otherwise_has_another_key(asked: Request) -> None:
    others = [one for one in _all() if one != asked]
    assert len(others) == len(_all()) - 1
    assert ask_key(asked) not in set(map(ask_key, others))


def _all() -> list[Request]:
    (mark,) = [one for one in test_what_is_asked_otherwise_has_another_key.pytestmark if one.name == "parametrize"]
    return list(mark.args[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # What an answer is called, and what becomes of it.
        (asks(COLOR), asks(COLOR.model_copy(update={"name": "colour"}))),
        (asks(COLOR), asks(COLOR.model_copy(update={"map": {"red": "crimson"}, "below": 0.5, "then": "unknown"}))),
        (asks(COLOR), asks(COLOR.model_copy(update={"calibration": Calibration(temperature=2.0)}))),
        (asks("what is it?"), asks(Question("what is it?", when={"kind": ("mug",)}))),
        # Choices and matches are scored, and questions have no prompt.
        (asks(COLOR), asks(COLOR, num_beams=3, max_new_tokens=7, prompt="a")),
        (asks(MATCH), asks(MATCH, do_sample=True)),
        (asks("what is it?"), asks("what is it?", prompt="a photo of")),
        # Who waits for it, and how long.
        (asks("what is it?"), replace(asks("what is it?"), urgent=True, deadline=1.0, seconds=2.0)),
    ],
)
def test_what_the_model_is_asked_alike_has_the_same_key(one: Request, other: Request) -> None:
    assert ask_key(one) == ask_key(other)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"},
        {"fingerprint": "e" * 64},
        {"precision": "bf16"},
        {"device": "GPU"},
    ],
    ids=repr,
)
def test_another_model_or_another_way_to_run_it_is_known_nothing_of(changed: dict[str, str]) -> None:
    assert engine_mark(replace(INFO, **changed)) != engine_mark(INFO)  # type: ignore[arg-type]


def test_two_cards_of_a_kind_give_the_same_answers() -> None:
    assert engine_mark(replace(INFO, device="GPU.0")) == engine_mark(replace(INFO, device="GPU.1"))


def test_another_release_of_openvino_or_numerics_of_ours_forgets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    before = engine_mark(INFO)
    marks = {before}
    for name, value in (("VERSION", keys.VERSION + 1), ("version", lambda _: "2030.1.0")):
        with monkeypatch.context() as patch:
            patch.setattr(keys, name, value)
            engine_mark.cache_clear()
            marks.add(engine_mark(INFO))
    engine_mark.cache_clear()
    assert len(marks) == 3
    assert engine_mark(INFO) == before


def test_an_image_is_known_by_its_bytes_and_by_who_looks_at_it() -> None:
    mark, other = engine_mark(INFO), engine_mark(replace(INFO, precision="bf16"))
    assert len({image_key(mark, sha(1)), image_key(mark, sha(2)), image_key(other, sha(1))}) == 3
