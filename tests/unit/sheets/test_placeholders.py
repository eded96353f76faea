"""Columns in questions: what is put where, and what is told of those that are not there."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from askpix.producer.braces import asks_of_choice, with_choice
from askpix.producer.errors import InputError
from askpix.producer.items import Item, Options
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.placeholders import (
    MissingValueError,
    check_columns,
    filled,
    filled_options,
    filled_question,
    values_of,
)
from askpix.producer.questions import Question, check_order
from askpix.producer.sheets.schema import ASKS_OF_CHOICE
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

ITEM = Item(image="a.jpg", id="7", group="shoes", extra={"title": "Red {x} mug", "price": 3.5, "no": None, "l": [1]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("what is it?", "what is it?"),
        ("a {title}, {price} euros", "a Red {x} mug, 3.5 euros"),
        ("{id} of {group}: {l}", "7 of shoes: [1]"),
        ("{{title}} and {{}}", "{title} and {}"),
        ('say {"kind": "mug"} of {title}', 'say {"kind": "mug"} of Red {x} mug'),
        ("a { b } and {1} and {", "a { b } and {1} and {"),
    ],
)
def test_columns_are_put_where_texts_name_them(text: str, expected: str) -> None:
    assert filled(text, values_of(ITEM)) == expected


@pytest.mark.parametrize(("text", "column"), [("{no}", "no"), ("{other}?", "other"), ("{group}", "group")])
def test_what_is_empty_is_not_asked_about(text: str, column: str) -> None:
    with pytest.raises(MissingValueError) as caught:
        filled(text, {"no": None, "group": " "})
    assert caught.value.column == column


def test_an_answer_is_called_by_the_text_as_it_was_given() -> None:
    asked = filled_question(Question("what is {title}?"), values_of(ITEM))
    assert (asked.text, asked.name) == ("what is Red {x} mug?", "what is {title}?")
    named = filled_question(Question("what is {title}?", name="what"), values_of(ITEM))
    assert named.name == "what"
    plain = Question("what is it?")
    assert filled_question(plain, values_of(ITEM)) is plain


def test_prompts_and_system_texts_are_filled_too() -> None:
    options = Options(prompt="a {title}", system="You see {group}.", seed=3)
    done = filled_options(options, values_of(ITEM))
    assert (done.prompt, done.system, done.seed) == ("a Red {x} mug", "You see shoes.", 3)


def test_a_column_that_the_list_does_not_have_is_told() -> None:
    check_columns([Question("{title}?")], Options(), ["id", "title"])
    for questions, options in (([Question("{titel}?")], Options()), ([], Options(system="{titel}"))):
        with pytest.raises(InputError, match="names the column 'titel', and there is none: there are id, title"):
            check_columns(questions, options, ["id", "title"])


def test_it_is_told_before_anything_is_written(tmp_path: Path) -> None:
    folder = JobFolder(LocalStorage(tmp_path / "job"))

    def written(*items: Item) -> JobSpec:
        asked = (Question("{colour}?"),)
        return write_job(items, folder, Order(model="m", questions=asked, part_size=1), base="/")

    with pytest.raises(InputError, match="there is none"):
        written(ITEM, Item(image="b.jpg"))
    assert folder.spec() is None
    # Not each line of a list has all columns.
    assert written(ITEM, Item(image="b.jpg", extra={"colour": "red"})).items == 2


def test_a_question_comes_after_one_that_is_asked_before_it() -> None:
    check_order([Question("a"), Question("b", name="x", after="a"), Question("c", after="x")])
    for wrong in ([Question("b", after="a"), Question("a")], [Question("a", after="a")], [Question("a", after="z")]):
        with pytest.raises(InputError, match="no question before it has that name"):
            check_order(wrong)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "a", "json_schema": [1]}, "json_schema must be an object"),
        ({"text": "a", "json_schema": "{"}, "json_schema is not JSON"),
        ({"text": "a", "json_schema": {"x": float("nan")}}, "json_schema is not JSON"),
        ({"text": "a", "json_schema": {"x": "y" * 20_000}}, "at most 20,000 are taken"),
        ({"text": "a", "json_schema": {}, "choices": ["b", "c"]}, "json_schema goes with neither choices nor match"),
        ({"text": "a", "afterwards": "b"}, "afterwards"),
    ],
)
def test_questions_that_are_not_valid_are_told(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Question.parse(given)


def test_a_schema_is_the_same_however_it_is_given() -> None:
    schema = {"type": "object", "properties": {"größe": {"type": "integer"}}}
    one = Question.parse({"text": "a", "json_schema": schema})
    assert one.json_schema == '{"type": "object", "properties": {"größe": {"type": "integer"}}}'
    assert Question.parse(one.to_record()) == one
    assert "after" not in Question("a").to_record()


def test_only_the_choice_is_put_into_a_text_of_which_no_columns_are() -> None:
    assert with_choice("{{is}} there a {choice} on {it}, {{choice}}?", "{star}") == (
        "{{is}} there a {star} on {it}, {{choice}}?"
    )


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("a {choice}?", True),
        ("a {{choice}}?", False),
        ("a {{{choice}}}?", True),
        ("a {choice}}?", True),
        ("a {{ {choice}", True),
        ("a choice?", False),
        ("a {Choice}?", False),
    ],
)
def test_what_asks_of_each_choice_is_one_rule(text: str, asks: bool) -> None:
    question = {"text": text, "choices": ["star", "moon"], "multiple": True}

    assert asks_of_choice(text) is asks
    assert bool(re.search(ASKS_OF_CHOICE, text)) is asks
    with nullcontext() if asks else pytest.raises(InputError, match=r"needs \{choice\} in the text"):
        Question.parse(question)


def test_a_choice_is_no_column_where_each_is_asked_about_and_one_elsewhere() -> None:
    asked = Question("a {choice} on the {title}?", choices=("star", "moon"), multiple=True)
    check_columns([asked], Options(), ["title"])
    with pytest.raises(InputError, match="names the column 'title'"):
        check_columns([asked], Options(), ["id"])
    with pytest.raises(InputError, match="names the column 'choice'"):
        check_columns([Question("a {choice}?", choices=("star", "moon"))], Options(), ["title"])
