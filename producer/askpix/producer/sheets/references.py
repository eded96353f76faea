"""What a JSON schema says of places in itself, and of texts by patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keys that have a schema for each of some names."""

_DATA = frozenset({"const", "default", "enum", "examples"})
"""Keys whose values are no schemas, whatever is in them."""

_ANCHORS = ("$anchor", "$dynamicAnchor", "$id", "id")


class Saying(NamedTuple):
    """A text in a schema that is more than a text."""

    path: tuple[str | int, ...]
    """The keys and places that lead to it."""

    key: Literal["$ref", "pattern"]
    text: str


def sayings(schema: Mapping[str, Any]) -> Iterator[Saying]:
    """Yields the references and the patterns of a schema."""
    for path, value in _schemas(schema):
        for key in ("$ref", "pattern"):
            if isinstance(text := value.get(key), str):
                yield Saying((*path, key), key, text)


def is_within(schema: Mapping[str, Any], reference: str) -> bool:
    """Returns whether a reference is to a place in the schema itself, whether or not there is one."""
    return reference.startswith("#") or reference in _names(schema)


def leads_somewhere(schema: Mapping[str, Any], reference: str) -> bool:
    """Returns whether there is what a reference within a schema leads to."""
    pointer = unquote(reference.removeprefix("#"))
    if reference in _names(schema) or pointer in _names(schema) or not pointer:
        return True
    if not pointer.startswith("/"):
        return False
    found: Any = schema
    for step in pointer[1:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return False
    return isinstance(found, Mapping | bool)


def places(schema: Mapping[str, Any]) -> list[str]:
    """Returns references to what a schema has for others to refer to."""
    return [f"#/{key}/{name}" for key in ("$defs", "definitions") for name in _named(schema.get(key))]


def _named(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(schema: Mapping[str, Any]) -> set[str]:
    """Returns by what else than their places its schemas are known."""
    return {name for _, value in _schemas(schema) for key in _ANCHORS if isinstance(name := value.get(key), str)}


def _schemas(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """Yields a schema and all in it, each with the way to it."""
    # Without a call for each level, of which there may be more than Python has.
    left: list[tuple[tuple[str | int, ...], Any, bool]] = [((), schema, True)]
    while left:
        path, value, is_schema = left.pop()
        if isinstance(value, list):
            left += [((*path, place), each, True) for place, each in enumerate(value)]
        elif isinstance(value, Mapping):
            if is_schema:
                yield path, value
            left += [
                ((*path, key), each, not (is_schema and key in _BY_NAME))
                for key, each in value.items()
                if not (is_schema and key in _DATA)
            ]
