"""Attribute sheets that are right: what they ask."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from askpix.cli.questions import texts_asked
from askpix.producer import Question, read_questions

ROOT = Path(__file__).parents[3]


def read(folder: Path, text: str, name: str = "tags.yaml") -> list[Question]:
    file = folder / name
    file.write_text(text, encoding="utf-8", newline="")
    return read_questions(file)


def test_questions_are_texts_or_attributes_with_names_and_choices(tmp_path: Path) -> None:
    sheet = "- what is it?\n- text: what color is it?\n  name: color\n  choices: [red, blue]\n"

    assert read(tmp_path, sheet) == [
        Question("what is it?"),
        Question("what color is it?", name="color", choices=("red", "blue")),
    ]


def test_the_demos_sheet_has_six_attributes_one_conditional_and_one_of_several_terms() -> None:
    sheet = read_questions(ROOT / "demo/tags.yaml")

    assert [question.name for question in sheet] == ["kind", "color", "pattern", "background", "sleeves", "prints"]
    assert [question.name for question in sheet if question.when] == ["sleeves"]
    assert [question.name for question in sheet if question.multiple] == ["prints"]


def test_each_key_is_taken_over(tmp_path: Path) -> None:
    sheet = """
- name: kind
  text: what is it?
  choices: [mug, shirt]
  map: {mug: Cup}
  below: 0.4
  then: unknown
  calibration: {temperature: 1.5, shifts: {mug: -0.25, shirt: 1}}
- name: prints
  text: is there a {choice} on it?
  choices: [star, heart]
  multiple: true
  when: {kind: [Cup, unknown]}
- name: story
  text: what of {title}?
  after: kind
  json_schema: {type: object, properties: {n: {type: integer, minimum: 1, enum: [1, 2.5]}}, required: [n]}
- {text: a mug, match: true, when: {kind: Cup, prints: star}}
"""

    assert read(tmp_path, sheet) == [
        Question(
            "what is it?", name="kind", choices=("mug", "shirt"), map={"mug": "Cup"}, below=0.4, then="unknown",
            calibration={"temperature": 1.5, "shifts": {"mug": -0.25, "shirt": 1}},
        ),
        Question(
            "is there a {choice} on it?", name="prints", choices=("star", "heart"), multiple=True,
            when={"kind": ("Cup", "unknown")},
        ),
        Question(
            "what of {title}?", name="story", after="kind",
            json_schema={
                "type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "enum": [1, 2.5]}},
                "required": ["n"],
            },
        ),
        Question("a mug", match=True, when={"kind": ("Cup",), "prints": ("star",)}),
    ]  # fmt: skip


def test_words_need_no_quotes_to_be_words(tmp_path: Path) -> None:
    sheet = "- text: which?\n  choices: [yes, no, on, off, 38, 0.50, true, 2026-11-22, 1_000, none]\n  name: 7\n"

    (question,) = read(tmp_path, sheet)

    assert question.choices == ("yes", "no", "on", "off", "38", "0.50", "true", "2026-11-22", "1_000", "none")
    assert question.name == "7"


def test_json_is_a_sheet_too_with_tabs_and_halves_of_characters_as_json_has_them(tmp_path: Path) -> None:
    sheet = '\ufeff[\n\t"what is it?",\n\t{"text": "is it \\ud83d\\ude00 \\/ \\u00e9?", "choices": ["yes", "no"]}\n]'

    first, second = read(tmp_path, sheet, "tags.json")

    assert first == Question("what is it?")
    assert second == Question("is it \N{GRINNING FACE} / é?", choices=("yes", "no"))


def test_anchors_spare_writing_the_same_twice(tmp_path: Path) -> None:
    sheet = """
- &color {text: what color is it?, name: color, choices: &colors [red, blue], below: 0.5, then: unknown}
- {<<: *color, text: what color is its print?, name: print_color}
- {text: what color is the lid?, choices: *colors}
"""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        questions = read(tmp_path, sheet)

    assert [(question.name, question.choices, question.below) for question in questions] == [
        ("color", ("red", "blue"), 0.5),
        ("print_color", ("red", "blue"), 0.5),
        (None, ("red", "blue"), None),
    ]


def test_capitals_do_not_matter_where_one_word_has_one_term_or_choices_tell_them_apart(tmp_path: Path) -> None:
    sheet = "- text: q\n  map: {Gray: grey, gray: grey}\n- text: r\n  choices: [A, a]\n  map: {A: b, a: c}\n"

    assert [question.map for question in read(tmp_path, sheet)] == [
        {"Gray": "grey", "gray": "grey"},
        {"A": "b", "a": "c"},
    ]


def test_numbers_and_patterns_of_a_schema_are_those_that_are_written(tmp_path: Path) -> None:
    schema = r"{minimum: 0x10, maximum: 0o40, maxLength: 010, multipleOf: 1e1, pattern: '^\p{L}+(?<n>a)$'}"

    (question,) = read(tmp_path, f"- text: q\n  json_schema: {schema}\n")

    assert json.loads(question.json_schema or "") == {
        "minimum": 16, "maximum": 32, "maxLength": 10, "multipleOf": 10.0, "pattern": r"^\p{L}+(?<n>a)$",
    }  # fmt: skip


def test_a_schema_may_refer_to_all_that_is_in_it(tmp_path: Path) -> None:
    schema = {
        "$defs": {
            "a/b": {"$anchor": "here", "type": "string"},
            "c": {"$id": "https://shop.test/c", "anyOf": [True, {}]},
        },
        "properties": {
            "self": {"$ref": "#"},
            "slash": {"$ref": "#/$defs/a~1b"},
            "percent": {"$ref": "#/%24defs/c/anyOf/0"},
            "anchor": {"$ref": "#here"},
            "id": {"$ref": "https://shop.test/c"},
            "$ref": {"type": "string"},
            "data": {"const": {"$ref": "nowhere"}, "enum": [{"pattern": "("}]},
            "pattern": {"type": "string"},
        },
    }
    sheet = json.dumps([{"text": "q", "json_schema": schema}, {"text": "r", "json_schema": json.dumps(schema)}])

    questions = read(tmp_path, sheet)

    assert [json.loads(question.json_schema or "") for question in questions] == [schema, schema]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_may_go_over_several_lines(tmp_path: Path, end: str) -> None:
    sheet = end.join(["- text: what is", "    it made of?", "- |", "  one", "  two", "- 'three'  # a comment", ""])

    assert [question.text for question in read(tmp_path, sheet)] == ["what is it made of?", "one\ntwo\n", "three"]


def test_a_condition_may_be_on_a_question_without_a_name_and_on_any_open_answer(tmp_path: Path) -> None:
    sheet = '- what is it?\n- text: how long?\n  when: {"what is it?": [shirt, a shirt]}\n'

    assert read(tmp_path, sheet)[1].when == {"what is it?": ("shirt", "a shirt")}


def test_a_long_map_is_read(tmp_path: Path) -> None:
    words = {f"word {number}": f"term {number}" for number in range(5_000)}

    (question,) = read(tmp_path, json.dumps([{"text": "what is it?", "map": words}]))

    assert question.map == words


def test_where_texts_alone_count_each_choice_of_several_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "tags.yaml"
    file.write_text("- what is it?\n- {text: 'a {choice}, {{choice}}?', choices: [star, moon], multiple: true}\n")

    assert texts_asked(file) == ("what is it?", "a star, {{choice}}?", "a moon, {{choice}}?")
