"""The JSON Schema of sheets, by which editors complete keys and mark mistakes while somebody writes.

It is made from what `Question` says of its fields, and is as strict as the reader as far as a schema can be: what
attributes say of each other, such as a condition on a later one, the reader alone can tell.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from askpix.producer.questions import MAX_SCHEMA, Question
from askpix.producer.sheets.keys import KEYS
from askpix.producer.sheets.reading import MAX_ATTRIBUTES

FILE = Path(__file__).parent / "sheet.schema.json"
"""The schema as it is published; `make sheet-schema` writes it."""

_UNSAID = ("title", "default", "description", "propertyNames", "$ref")
"""Of what pydantic says."""

_WORD = ["string", "number", "boolean"]
"""What may stand where a text belongs: a word that is written without quotes, such as 38 or true, is its own text."""

ASKS_OF_CHOICE = r"(^|[^{])(\{\{)*\{choice\}"
"""In braces that are not doubled: what `asks_of_choice` says, as a pattern."""


def sheet_schema() -> dict[str, Any]:
    """Returns the schema; of draft 7, which all editors know."""
    made = Question.model_json_schema()
    keys = {key: {"description": told, **_strict(made["properties"][key])} for key, told in KEYS.items()}
    keys["choices"]["uniqueItems"] = True
    terms = keys["when"]["additionalProperties"]
    keys["when"]["additionalProperties"] = {"anyOf": [terms["items"], terms]}
    keys["json_schema"]["type"] = ["object", "string"]
    keys["calibration"] |= _strict(made["$defs"]["Calibration"])
    keys["calibration"]["properties"]["whole"] = _strict(made["$defs"]["Whole"])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Attribute sheet of askpix",
        "description": "What is asked of each image of a catalogue, in this order: questions, or attributes with keys.",
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ATTRIBUTES,
        "items": {"anyOf": [_attribute(keys), _asked(keys["text"])]},
    }


def _asked(text: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of an item that is a question alone."""
    return {**text, "description": "A question that the model answers in its own words.", **_without_choice()}


def _attribute(keys: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": keys,
        "required": ["text"],
        "additionalProperties": False,
        "dependencies": {"below": ["then"], "then": ["below"], "calibration": ["choices"]},
        "allOf": [
            {
                "if": _is_true("multiple"),
                "then": {"required": ["choices"], "properties": {"text": {"pattern": ASKS_OF_CHOICE}, **_no_commas()}},
                "else": {"properties": {"text": _without_choice(), "calibration": {"not": _has_any("whole")}}},
            },
            {
                "if": _is_true("match"),
                "then": {"not": _has_any("choices", "below", "then", "map", "json_schema")},
            },
            {"not": {"required": ["choices", "json_schema"]}},
        ],
    }


def _is_true(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"const": True}}}


def _has_any(*keys: str) -> dict[str, Any]:
    return {"anyOf": [{"required": [key]} for key in keys]}


def _without_choice() -> dict[str, Any]:
    return {"not": {"type": "string", "pattern": ASKS_OF_CHOICE}}


def _no_commas() -> dict[str, Any]:
    word = {"not": {"type": "string", "pattern": ","}}
    return {"choices": {"items": word}, "map": {"additionalProperties": word}, "then": word}


def _strict(made: Any) -> Any:
    """Returns pydantic's schema of a field as a sheet has it: without nothing, and with words that need no quotes."""
    if isinstance(made, list):
        return [_strict(each) for each in made]
    if not isinstance(made, dict):
        return made
    if "anyOf" in made:
        some = [each for each in made["anyOf"] if each != {"type": "null"}]
        if len(some) == 1:
            return _strict({**{key: value for key, value in made.items() if key != "anyOf"}, **some[0]})
    if made.get("type") == "string":
        return {"type": _WORD, "pattern": r"\S", "maxLength": made.get("maxLength", MAX_SCHEMA)}
    # Of mappings, pydantic calls their number a length.
    names = {"minLength": "minProperties", "maxLength": "maxProperties"} if made.get("type") == "object" else {}
    return {names.get(key, key): _strict(value) for key, value in made.items() if key not in _UNSAID}


def as_text() -> str:
    """Returns the schema as it stands in its file."""
    return json.dumps(sheet_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
