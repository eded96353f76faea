"""JSON schemas: which are taken, and whether an answer keeps to one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema

from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError

_PATTERNS = ("pattern", "patternProperties", "format")


@lru_cache(maxsize=256)
def check_schema(text: str) -> None:
    """Raises RequestError where a text is no JSON schema, or one that names others elsewhere."""
    schema = json.loads(text)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        references = list(_references(schema))
    except jsonschema.SchemaError as error:
        raise RequestError(Code.SCHEMA_REFUSED, f"the JSON schema is not valid: {error.message[:200]}") from None
    except RecursionError:
        raise RequestError(Code.SCHEMA_REFUSED, "the JSON schema is too deep") from None
    for reference in references:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise RequestError(
                Code.SCHEMA_REFUSED, f"the JSON schema refers to {str(reference)[:100]!r}, outside itself"
            )


def schema_problem(text: str, schema: str) -> str | None:
    """Returns why a text is no JSON that keeps to a schema; None where it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {str(error)[:100]}"
    try:
        validator = jsonschema.Draft202012Validator(_without_patterns(json.loads(schema)))
        problem = next(iter(validator.iter_errors(value)), None)
    except Exception as error:  # noqa: BLE001 - a schema may lead its reader anywhere
        return f"it cannot be compared with the schema: {type(error).__name__}"
    return None if problem is None else str(problem.message)[:200]


def _without_patterns(value: Any) -> Any:
    """Returns a schema without what a regular expression says: the pipeline keeps to that, and Python's could hang."""
    if isinstance(value, dict):
        return {name: _without_patterns(one) for name, one in value.items() if name not in _PATTERNS}
    return [_without_patterns(one) for one in value] if isinstance(value, list) else value


def _references(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("$ref", "$dynamicRef"):
                yield one
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
