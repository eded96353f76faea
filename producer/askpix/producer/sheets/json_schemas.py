"""Reads the JSON schema that an answer is to keep to, and tells the mistakes that people make in one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from askpix.producer.questions import MAX_SCHEMA
from askpix.producer.sheets.fields import plain_of, unique
from askpix.producer.sheets.mistakes import Mistakes
from askpix.producer.sheets.nodes import Form, Listed, Mapped, Node, Scalar
from askpix.producer.sheets.references import is_within, leads_somewhere, places, sayings
from askpix.producer.shown import shown_value
from askpix.producer.words import listed

_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_NO_PATTERN = (
    "missing )", "unbalanced parenthesis", "unterminated character set", "nothing to repeat",
    "min repeat greater than max repeat", "bad escape (end of pattern)",
)  # fmt: skip
_OTHER_TYPES = {
    "text": "string", "str": "string", "list": "array", "dict": "object", "map": "object",
    "int": "integer", "float": "number", "bool": "boolean", "none": "null",
}  # fmt: skip


def schema_of(node: Node, told: Mistakes) -> str | None:
    """Returns a schema as JSON text; None, where it is none."""
    if isinstance(node, Scalar) and node.form is Form.TEXT:
        return _written(node, told)
    if not isinstance(node, Mapped):
        told.tell(node, "json_schema is a schema: write json_schema: {type: object, properties: …}")
        return None
    before = len(told)
    _check(node, told)
    if len(told) > before:
        return None
    value = plain_of(node)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        told.tell(node, "json_schema holds a number that JSON has not: write it in digits")
        return None
    return text if _is_short(text, node, told) and _leads_somewhere(value, node, told) else None


def _written(node: Scalar, told: Mistakes) -> str | None:
    """Returns a schema that is given as JSON text."""
    try:
        value = json.loads(node.text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        told.tell(
            node, "json_schema is a schema, or one as JSON text: write json_schema: {type: object, properties: …}"
        )
        return None
    before = len(told)
    if _is_short(node.text, node, told) and _leads_somewhere(value, node, told):
        for said in sayings(value):
            if said.key == "pattern":
                _check_regex(said.text, node, told)
    return node.text if len(told) == before else None


def _is_short(text: str, node: Node, told: Mistakes) -> bool:
    """Returns whether a schema is not too long; tells it otherwise."""
    if len(text) > MAX_SCHEMA:
        told.tell(node, f"json_schema has {len(text):,} characters; at most {MAX_SCHEMA:,} are taken: shorten it")
    return len(text) <= MAX_SCHEMA


def _leads_somewhere(schema: Mapping[str, Any], node: Node, told: Mistakes) -> bool:
    """Returns whether there is all that a schema refers to; tells what there is not."""
    before = len(told)
    known = places(schema)
    for said in sayings(schema):
        if said.key != "$ref" or (is_within(schema, said.text) and leads_somewhere(schema, said.text)):
            continue
        where, reference = _at(node, said.path), shown_value(said.text)
        if not is_within(schema, said.text):
            told.tell(where, f"$ref: {reference} is elsewhere, and nothing is fetched: put it into $defs, and write "
                      "$ref: '#/$defs/NAME'")  # fmt: skip
        elif near := told.nearest(said.text, known):
            told.tell(where, f"$ref: the schema has no {reference}: write $ref: {shown_value(near)}")
        else:
            there = (
                f"there is {listed(known, quoted=True)}" if known else "add it, such as $defs: {kind: {type: string}}"
            )
            told.tell(where, f"$ref: the schema has no {reference}: {there}")
    return len(told) == before


def _at(node: Node, path: Sequence[str | int]) -> Node:
    """Returns what is at a place of a schema; of one that is JSON text, all of it."""
    for step in path:
        if isinstance(node, Listed) and isinstance(step, int):
            node = node.items[step]
        elif isinstance(node, Mapped):
            node = next((value for name, value in node.entries if name.text == step), node)
    return node


def _check(node: Mapped, told: Mistakes) -> None:
    for key, (name, value) in unique(node, "json_schema", told).items():
        match key:
            case "type":
                for each in value.items if isinstance(value, Listed) else (value,):
                    _check_type(each, told)
            case "properties" | "$defs" | "definitions" | "patternProperties":
                _check_named(key, value, told)
            case "pattern":
                _check_pattern(value, told)
            case "items" | "additionalProperties" | "not" | "contains" | "propertyNames" | "if" | "then" | "else":
                _check_one(key, value, told)
            case "anyOf" | "oneOf" | "allOf" | "enum" | "required":
                _check_list(key, name, value, told)


def _check_type(node: Node, told: Mistakes) -> None:
    word = node.text if isinstance(node, Scalar) else ""
    if word not in _TYPES:
        near = _OTHER_TYPES.get(word.casefold()) or told.nearest(word, _TYPES)
        instead = f"write type: {near}" if near else f"there are {', '.join(_TYPES)}"
        told.tell(node, f"a JSON schema has no type {shown_value(word)}: {instead}")
    elif isinstance(node, Scalar) and node.form is Form.NULL:
        told.tell(node, 'put null in quotes: type: "null"')


def _check_pattern(node: Node, told: Mistakes) -> None:
    _check_regex(node.text if isinstance(node, Scalar) else "", node, told)


def _check_regex(pattern: str, node: Node, told: Mistakes) -> None:
    """Tells of what no kind of regular expression takes: that of schemas is another than Python's."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        text = str(error)
        if text.startswith(_NO_PATTERN):
            told.tell(node, f"this pattern is no regular expression ({text}): put \\ before what is meant as it is")


def _check_named(key: str, node: Node, told: Mistakes) -> None:
    if not isinstance(node, Mapped):
        told.tell(node, f"{key} has a schema for each name: write {key}: {{kind: {{type: string}}}}")
        return
    for name, (word, value) in unique(node, key, told).items():
        if key == "patternProperties":
            _check_pattern(word, told)
        _check_one(name, value, told)


def _check_one(key: str, node: Node, told: Mistakes) -> None:
    if isinstance(node, Mapped):
        _check(node, told)
    elif not (isinstance(node, Scalar) and node.form is Form.BOOL):
        word = node.text if isinstance(node, Scalar) and node.text in _TYPES else "string"
        told.tell(node, f"{shown_value(key)} is a schema of its own: write {key}: {{type: {word}}}")


def _check_list(key: str, name: Scalar, node: Node, told: Mistakes) -> None:
    if not isinstance(node, Listed) or (not node.items and key != "required"):
        example = "[kind]" if key == "required" else "[mug, plate]" if key == "enum" else "[{type: string}]"
        told.tell(name, f"{key} is a list: write {key}: {example}")
    elif key in ("anyOf", "oneOf", "allOf"):
        for each in node.items:
            _check_one(key, each, told)
    elif key == "required" and not all(isinstance(each, Scalar) for each in node.items):
        told.tell(node, "required is a list of names: write required: [kind]")
