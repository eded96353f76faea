"""The JSON Schema of sheets: current, valid, and of one mind with the reader as far as a schema can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from askpix.producer import Question, SheetError, read_questions
from askpix.producer.sheets import schema
from askpix.producer.sheets.keys import KEYS, OTHER_NAMES

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft7Validator(json.loads(schema.FILE.read_text(encoding="utf-8")))

RIGHT = [
    ["what is it?", 38, True],
    [{"text": "what is it?"}],
    [{"text": "q", "name": "n", "choices": ["a", 38, False, "a, b"], "map": {"a": 1}, "below": 1, "then": 0}],
    [{"text": "a {choice}?", "choices": ["a", "b"], "multiple": True, "map": {"a": "c"}}],
    [{"text": "q", "choices": ["a", "b"], "multiple": False, "match": False}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"temperature": 0.5, "shifts": {"a": -3}}}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {}}],
    [{"text": "a {choice}?", "choices": ["a", "b"], "multiple": True, "calibration": {"whole": {"shift": -1}}}],
    ["q", {"text": "r", "when": {"q": "a"}}, {"text": "s", "when": {"q": ["a", 38], "r": "b"}, "after": "q"}],
    [{"text": "q", "json_schema": {"type": "object"}}, {"text": "r", "json_schema": "{}"}],
    [{"text": "a mug", "match": True, "name": "mug"}],
    [{"text": "q", "map": {"grey": "gray"}}],
    [{"text": "which {{choice}}?"}, "or {{choice}}?"],
    [{"text": "a {{{choice}}}?", "choices": ["a", "b"], "multiple": True, "below": 0.4, "then": "c"}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"temperature": 0.001}}],
]

WRONG: list[Any] = [
    None,
    [],
    {},
    "what is it?",
    [None],
    [[]],
    [""],
    [" "],
    ["a {choice}?"],
    ["q" * 2_001],
    [{}],
    [{"name": "n"}],
    [{"text": None}],
    [{"text": ["q"]}],
    [{"text": "q", "choises": ["a", "b"]}],
    [{"text": "q", "name": ""}],
    [{"text": "q", "choices": []}],
    [{"text": "q", "choices": ["a"]}],
    [{"text": "a {choice}?", "choices": ["a", "b"], "multiple": True, "below": 0.4, "then": "c, d"}],
    [{"text": "a {{choice}}?", "choices": ["a", "b"], "multiple": True}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"temperature": 0.0009}}],
    [{"text": "q", "name": str(number)} for number in range(1_001)],
    [{"text": "q", "choices": ["a", "a"]}],
    [{"text": "q", "choices": ["a", None]}],
    [{"text": "q", "choices": ["a", ["b"]]}],
    [{"text": "q", "choices": "a, b"}],
    [{"text": "q", "choices": {"a": None}}],
    [{"text": "q", "choices": list(range(1_001))}],
    [{"text": "q", "multiple": "yes"}],
    [{"text": "a {choice}?", "multiple": True}],
    [{"text": "q", "choices": ["a", "b"], "multiple": True}],
    [{"text": "a {choice}?", "choices": ["a", "b"]}],
    [{"text": "a {choice}?", "choices": ["a", "b, c"], "multiple": True}],
    [{"text": "a {choice}?", "choices": ["a", "b"], "multiple": True, "map": {"a": "c,d"}}],
    [{"text": "q", "below": 0, "then": "a"}],
    [{"text": "q", "below": 1.5, "then": "a"}],
    [{"text": "q", "below": "0.4", "then": "a"}],
    [{"text": "q", "below": 0.4}],
    [{"text": "q", "then": "a"}],
    [{"text": "q", "map": {}}],
    [{"text": "q", "map": ["a"]}],
    [{"text": "q", "map": {"a": None}}],
    ["q", {"text": "r", "when": {}}],
    ["q", {"text": "r", "when": "q"}],
    ["q", {"text": "r", "when": {"q": []}}],
    ["q", {"text": "r", "when": {"q": None}}],
    ["q", {"text": "r", "when": {"q": {"a": "b"}}}],
    [*(f"q{n}" for n in range(21)), {"text": "r", "when": {f"q{n}": "a" for n in range(21)}}],
    [{"text": "q", "calibration": {}}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"whole": {}}}],
    [{"text": "a {choice}?", "choices": ["a", "b"], "multiple": True, "calibration": {"whole": {"shifts": 1}}}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"temperature": 0}}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"shifts": {"a": 101}}}],
    [{"text": "q", "choices": ["a", "b"], "calibration": {"shift": {"a": 1}}}],
    [{"text": "q", "match": 1}],
    [{"text": "q", "match": True, "choices": ["a", "b"]}],
    [{"text": "q", "match": True, "below": 0.4, "then": "a"}],
    [{"text": "q", "choices": ["a", "b"], "json_schema": {}}],
    [{"text": "q", "json_schema": ["a"]}],
]


def reader_takes(folder: Path, value: Any) -> bool:
    file = folder / "tags.yaml"
    with file.open("w", encoding="utf-8") as target:
        YAML(typ="safe", pure=True).dump(value, target)
    try:
        read_questions(file)
    except SheetError:
        return False
    return True


def test_the_file_is_as_make_sheet_schema_writes_it() -> None:
    assert schema.FILE.read_text(encoding="utf-8") == schema.as_text(), "it is stale: run `make sheet-schema`"


def test_the_file_is_a_json_schema(tmp_path: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--check-metaschema", str(schema.FILE)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_key_of_a_question_is_told_and_what_people_call_them_otherwise_is_none() -> None:
    assert set(KEYS) == set(Question.model_fields)
    assert all(told.endswith(".") for told in KEYS.values())
    assert set(OTHER_NAMES.values()) <= set(KEYS)
    assert not set(OTHER_NAMES) & set(KEYS)


def test_the_demos_sheet_is_taken() -> None:
    assert VALIDATOR.is_valid(YAML(typ="safe", pure=True).load(ROOT / "demo/tags.yaml"))


@pytest.mark.parametrize("value", RIGHT, ids=repr)
def test_what_is_right_is_taken_by_schema_and_reader(tmp_path: Path, value: Any) -> None:
    assert VALIDATOR.is_valid(value)
    assert reader_takes(tmp_path, value)


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:90])
def test_what_is_wrong_is_refused_by_schema_and_reader(tmp_path: Path, value: Any) -> None:
    assert not VALIDATOR.is_valid(value)
    assert not reader_takes(tmp_path, value)
