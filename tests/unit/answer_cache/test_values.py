"""An answer that was kept is the same when it comes back; whatever else comes back is none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from helpers.answers import ALTERNATIVES, choice, said

from askpix.producer.questions import Question
from askpix.producer.rows import Answer, Kind
from askpix.worker.answer_cache.values import MAX_BYTES, kept, kept_size, recalled, recalled_size

COLOR = Question("what color is it?", name="color", choices=("red", "blue"))
OPEN = Question("what is it?")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (None, said("a mug", None)),
        (OPEN, said("")),
        (
            OPEN,
            said('=1+1 "quoted"\n\N{HOT BEVERAGE}', finish_reason="length", alternatives=ALTERNATIVES, prompt_tokens=9),
        ),
        (COLOR, choice(0.1, 0.9)),
        (COLOR, choice(1 / 3, 2 / 3)),
        (COLOR, choice(0.5, 0.5)),
        (Question("red", match=True), replace(said("yes", "red"), kind=Kind.MATCH, tokens=0)),
        (Question("x", json_schema="{}"), replace(said('{"a": 1}', "x"), kind=Kind.JSON)),
    ],
)
def test_an_answer_comes_back_to_its_last_digit(question: Question | None, answer: Answer) -> None:
    assert recalled(kept(answer), question) == replace(answer, cached=True)


def test_it_is_called_as_who_asks_now_calls_it() -> None:
    again = recalled(kept(choice(0.1, 0.9)), COLOR.model_copy(update={"name": "Farbe"}))
    assert again is not None
    assert again.name == "Farbe"


def _changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(kept(choice(0.25, 0.75))), **values}).encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x80\x04",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b"x" * (MAX_BYTES + 1),
        _changed(text="green"),
        # Neither may be said otherwise than the probabilities say it.
        _changed(text="red"),
        _changed(confidence=0.25),
        _changed(text=1),
        _changed(confidence=1.5),
        _changed(confidence="0.5"),
        _changed(tokens=-1),
        _changed(tokens=True),
        _changed(finish_reason="rm -rf"),
        _changed(probabilities=[0.5, 0.6]),
        _changed(probabilities=[1.0]),
        _changed(probabilities=[0.5, 0.25, 0.25]),
        _changed(probabilities=None),
        _changed(alternatives=[["a"]]),
        _changed(name="another"),
        _changed(probabilities=[0.5, 0.5]).replace(b"0.5", b"NaN"),
    ],
    ids=lambda value: repr(value[:60]),
)
def test_what_is_no_answer_to_the_question_is_none(value: bytes) -> None:
    assert recalled(value, COLOR) is None


@pytest.mark.parametrize("question", [None, OPEN, Question("x", match=True), Question("x", json_schema="{}")])
def test_what_answers_another_kind_of_question_is_none(question: Question | None) -> None:
    assert recalled(kept(choice(0.25, 0.75)), question) is None


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[" * 100_000 + "]" * 100_000], ids=len)
def test_a_text_that_is_no_json_answers_no_question_that_wants_some(text: str) -> None:
    assert recalled(kept(said(text)), Question("x", json_schema="{}")) is None


def test_a_match_says_yes_or_no() -> None:
    assert recalled(kept(said("maybe")), Question("x", match=True)) is None


@pytest.mark.parametrize("without", ["text", "confidence", "tokens"])
def test_what_lacks_something_is_none(without: str) -> None:
    value = {name: held for name, held in json.loads(kept(said("a mug"))).items() if name != without}
    assert recalled(json.dumps(value).encode(), OPEN) is None


def test_a_size_comes_back() -> None:
    assert recalled_size(kept_size(640, 480)) == (640, 480)


@pytest.mark.parametrize(
    "value", [None, b"", b"[640]", b"[0, 1]", b"[1, -1]", b'["1", "1"]', b"[1e3, 1]", b"[1, 99999999]"]
)
def test_what_is_no_size_is_none(value: bytes | None) -> None:
    assert recalled_size(value) is None
