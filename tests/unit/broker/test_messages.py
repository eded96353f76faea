"""What may be asked: messages, questions and options take what they say and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from askpix.producer import Options, Question, Turn
from askpix.producer.errors import InputError, MessageError
from askpix.producer.messages import AskMessage, PartMessage, notify_target

GOOD: dict[str, Any] = {"v": 1, "job": "/jobs/spring", "part": 3, "round": 0}


def test_a_message_comes_back_as_it_was_sent() -> None:
    message = PartMessage(job="/jobs/spring", part=3)

    assert message.model_dump() == GOOD
    assert PartMessage.parse(GOOD) == message


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        1,
        [],
        [GOOD],
        {},
        {"job": "/j"},
        {"part": 0},
        {**GOOD, "v": 2},
        {**GOOD, "v": "1"},
        {**GOOD, "more": 1},
        {**GOOD, "part": "3"},
        {**GOOD, "part": 3.0},
        {**GOOD, "part": True},
        {**GOOD, "part": -1},
        {**GOOD, "part": 1_000_000},
        {**GOOD, "round": -1},
        {**GOOD, "round": 1_000},
        {**GOOD, "job": ""},
        {**GOOD, "job": None},
        {**GOOD, "job": b"/j"},
        {**GOOD, "job": "j" * 2_001},
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_no_message_is_refused_in_one_line(value: Any) -> None:
    with pytest.raises(MessageError, match=r"no askpix\.part message of version 1") as caught:
        PartMessage.parse(value)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        ["what is it?"],
        {},
        {"name": "n"},
        {"text": None},
        {"text": "q", "more": 1},
        {"text": "q", "choices": []},
        {"text": "q", "choices": ["only"]},
        {"text": "q", "choices": ["a", "a"]},
        {"text": "q", "choices": ["a", " "]},
        {"text": "q", "choices": "ab"},
        {"text": "q", "choices": [True, False]},
        {"text": "q", "choices": [str(n) for n in range(1_001)]},
        {"text": "q" * 2_001},
        {"text": "q", "name": "n" * 2_001},
        {"text": "q", "map": {"Gray": "grey", "gray": "silver"}},
        "q" * 2_001,
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_no_question_is_refused_in_one_short_line(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Question.parse(value)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_words_of_a_map_may_differ_by_capitals_alone_where_that_makes_no_difference() -> None:
    assert Question("q", map={"Gray": "grey", "gray": "grey"}).map == {"Gray": "grey", "gray": "grey"}
    assert Question("q", choices=["A", "a"], map={"A": "b", "a": "c"}).map == {"A": "b", "a": "c"}


def test_a_question_is_a_text_or_an_object() -> None:
    assert Question.parse("q") == Question("q") == Question.parse({"text": "q"})
    assert Question.parse({"text": "q", "name": "n", "choices": ["a", "b"]}) == Question(
        "q", name="n", choices=("a", "b")
    )


@pytest.mark.parametrize(
    "values", [{"max_new_tokens": 0}, {"max_new_tokens": 5_000}, {"prompt": "p" * 2_001}, {"x": 1}]
)
def test_options_that_are_none_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**values)


ASK: dict[str, Any] = {"v": 1, "model": "m", "image": "https://shop/1.jpg"}


def test_an_ask_takes_questions_as_texts_and_as_objects() -> None:
    message = AskMessage.parse(
        {**ASK, "questions": ["what is it?", {"text": "what color?", "choices": ["red", "blue"]}], "options": {}}
    )

    assert message.questions == (Question("what is it?"), Question("what color?", choices=("red", "blue")))
    assert (message.options, message.output) == (Options(), None)
    assert AskMessage.parse(ASK).questions is None
    assert AskMessage.parse(message.model_dump(mode="json")) == message


def test_an_ask_takes_all_that_a_sheet_may_say_of_an_attribute() -> None:
    kind = Question(
        "what is it?", name="kind", choices=("mug", "shirt"), map={"mug": "cup"}, below=0.4, then="unknown",
        calibration={"temperature": 2.0, "shifts": {"mug": 0.5}},
    )  # fmt: skip
    prints = Question("a {choice}?", choices=("star", "moon"), multiple=True, when={"kind": ("cup", "unknown")})
    message = AskMessage.parse({**ASK, "questions": [kind, prints]})

    sent = json.loads(json.dumps(message.model_dump(exclude_none=True)))

    assert AskMessage.parse(sent).questions == (kind, prints)


def test_a_plain_question_is_sent_as_workers_of_before_attributes_know_it() -> None:
    sent = AskMessage.parse({**ASK, "questions": ["what is it?"]}).model_dump(exclude_none=True)

    assert list(sent["questions"]) == [{"text": "what is it?", "match": False}]


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ([{"text": "t", "when": {"kind": "mug"}}], "no question before it has that name"),
        ([{"text": "k", "choices": ["a", "b"]}, {"text": "t", "when": {"k": ["a", "c"]}}], "being 'c', .* can be a, b"),
        ([{"text": "a mug", "match": True}, {"text": "t", "when": {"a mug": "mug"}}], "can be yes, no"),
    ],
)
def test_an_ask_whose_conditions_can_never_be_so_is_refused(questions: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(MessageError, match=words):
        AskMessage.parse({**ASK, "questions": questions})


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {**ASK, "v": 2},
        {**ASK, "shell": "rm"},
        {**ASK, "model": 7},
        {**ASK, "model": ""},
        {**ASK, "model": "m" * 101},
        {**ASK, "image": ""},
        {**ASK, "image": None},
        {**ASK, "image": ["a", "b"]},
        {**ASK, "questions": "what is it?"},
        {**ASK, "questions": [7]},
        {**ASK, "questions": [{"text": "q", "more": 1}]},
        {**ASK, "questions": ["q"] * 101},
        {**ASK, "options": {"beams": 5}},
        {**ASK, "options": {"max_new_tokens": 0}},
        {**ASK, "options": None},
        {**ASK, "output": ""},
        {**ASK, "output": 7},
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_no_ask_is_refused_in_one_line(value: Any) -> None:
    with pytest.raises(MessageError, match=r"no askpix\.ask message of version 1") as caught:
        AskMessage.parse(value)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


TURNS = [{"question": "what is it?", "answer": "a mug"}]


def test_an_ask_may_have_turns_behind_it() -> None:
    message = AskMessage.parse({**ASK, "questions": ["and?"], "history": TURNS})

    assert message.history == (Turn("what is it?", "a mug"),)
    assert AskMessage.parse(message.model_dump(mode="json")) == message
    assert AskMessage.parse({**ASK, "questions": ["and?"], "history": TURNS * 20}).history
    # And one without is what it always was.
    assert "history" not in AskMessage.parse(ASK).model_dump(exclude_none=True)


@pytest.mark.parametrize(
    "history",
    [
        "what is it?",
        ["what is it?"],
        [{"question": "what is it?"}],
        [{"question": "what is it?", "answer": None}],
        [{"question": "what is it?", "answer": "a mug", "more": 1}],
        [{"question": 7, "answer": "a mug"}],
        [{"question": "q" * 2_001, "answer": "a mug"}],
        [{"question": "q", "answer": "a" * 20_001}],
        [Turn("q", "a" * 20_001)],
        [["what is it?", "a mug"]],
        TURNS * 21,
        [{**TURNS[0], "images": "a.jpg"}],
        [{**TURNS[0], "images": [7]}],
        [{**TURNS[0], "images": [""]}],
        [{**TURNS[0], "images": [["a.jpg"]]}],
        [{**TURNS[0], "images": None}],
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_are_no_turns_is_refused_in_one_line(history: Any) -> None:
    with pytest.raises(MessageError, match="history") as caught:
        AskMessage.parse({**ASK, "questions": ["and?"], "history": history})

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


SHOWN = {**TURNS[0], "images": ["a.jpg", "s3://b/c.jpg"]}


def test_turns_may_show_images_and_then_the_ask_needs_none() -> None:
    message = AskMessage.parse({**ASK, "questions": ["and?"], "history": [SHOWN, *TURNS]})

    assert message.images == ("a.jpg", "s3://b/c.jpg", ASK["image"])
    assert AskMessage.parse(message.model_dump(mode="json")) == message
    without = AskMessage.parse({"v": 1, "model": "m", "questions": ["and?"], "history": [*TURNS, SHOWN]})
    assert without.image is None
    assert without.images == ("a.jpg", "s3://b/c.jpg")


def test_turns_without_images_are_told_as_workers_know_them_that_know_of_none() -> None:
    message = AskMessage.parse({**ASK, "questions": ["and?"], "history": [*TURNS, SHOWN]})

    assert message.model_dump(mode="json")["history"] == [TURNS[0], SHOWN]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"image": None}, "it shows no image: give one, or a history that shows one"),
        ({"image": None, "questions": ["and?"], "history": TURNS}, "it shows no image"),
        ({"questions": ["and?"], "history": [SHOWN] * 4}, "it shows 9 images; 8 are taken"),
        ({"questions": ["and?"], "history": [{**SHOWN, "images": ["a"] * 100_000}]}, "it shows 100001 images"),
        ({"questions": ["and?"], "history": TURNS * 1_000}, "history: it has 1,000 turns; 20 are taken"),
        (
            {"questions": ["and?"], "history": [{**SHOWN, "images": ["x" * 14_000_000] * 2}]},
            "its images' references come to more than 28,000,000 characters together",
        ),
        ({"questions": ["and?"], "history": [{**SHOWN, "images": ["x" * 28_000_001]}]}, "history.0.images.0"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_images_that_are_none_or_too_many_are_refused_in_words(more: dict[str, Any], words: str) -> None:
    with pytest.raises(MessageError, match=words) as caught:
        AskMessage.parse({**ASK, **more})

    assert len(str(caught.value)) < 400


def test_turns_need_a_question_after_them() -> None:
    with pytest.raises(MessageError, match="a history needs a question after it"):
        AskMessage.parse({**ASK, "history": TURNS})


def of_choices(*counts: int) -> list[dict[str, Any]]:
    return [{"text": "q", "choices": [str(n) for n in range(count)]} for count in counts]


def test_an_ask_may_have_so_many_choices_in_all() -> None:
    assert AskMessage.parse({**ASK, "questions": of_choices(1_000)}).questions
    assert AskMessage.parse({**ASK, "questions": [*of_choices(500, 401), *["q"] * 98]}).questions

    for many in ([*of_choices(1_000), "q"], of_choices(*[1_000] * 100), [*of_choices(500, 403), *["q"] * 98]):
        with pytest.raises(MessageError, match="1,000"):
            AskMessage.parse({**ASK, "questions": many})


def test_a_notification_names_a_task_and_perhaps_a_queue() -> None:
    assert notify_target("shop.tagged") == ("shop.tagged", "celery")
    assert notify_target("shop.tagged@nightly") == ("shop.tagged", "nightly")


@pytest.mark.parametrize("value", ["", "@q", "a b", "a@b c", "a@b@c", "7", "askpix.part", "celery.chord", "x" * 300])
def test_a_notification_that_is_none_or_one_of_ours_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        notify_target(value)


def test_each_choice_that_is_judged_by_itself_is_yes_and_no_to_weigh() -> None:
    def message(number: int) -> dict[str, object]:
        choices = [f"a{index}" for index in range(number)]
        return {"model": "m", "image": "a", "questions": [{"text": "{choice}?", "choices": choices, "multiple": True}]}

    assert AskMessage.parse(message(500)).questions
    with pytest.raises(MessageError, match="1,000 choices in all"):
        AskMessage.parse(message(501))


@pytest.mark.parametrize(
    "more",
    [
        {"choices": ["star", "a, b"]},
        {"map": {"star": "a, b"}},
        {"below": 0.4, "then": "not sure, ask"},
    ],
    ids=str,
)
def test_no_answer_is_taken_for_several_terms_that_is_none(more: dict[str, object]) -> None:
    asked = {"text": "a {choice}?", "choices": ["star", "moon"], "multiple": True}
    assert AskMessage.parse({"model": "m", "image": "a", "questions": [asked]}).questions

    with pytest.raises(MessageError, match="so none may have one"):
        AskMessage.parse({"model": "m", "image": "a", "questions": [{**asked, **more}]})
