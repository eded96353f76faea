"""Reads the file that `--questions` names."""

from __future__ import annotations

from pathlib import Path

import yaml

from askpix.producer.errors import InputError
from askpix.producer.questions import Question


def read_questions(path: Path) -> list[Question]:
    """Returns the questions of a YAML (or JSON) list: texts, or objects with text, name and choices.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(values, list) or not values:
        raise InputError(f"{path} must hold a list of questions")
    try:
        return [Question.parse(value) for value in values]
    except InputError as error:
        hint = "; put yes, no, on and off in quotes" if _has_bool(values) else ""
        raise InputError(f"{path}: {error}{hint}") from None


def _has_bool(values: list[object]) -> bool:
    """Returns whether YAML took a word for true or false, as it does with yes, no, on and off."""
    choices = [choice for value in values if isinstance(value, dict) for choice in value.get("choices") or ()]
    return any(isinstance(value, bool) for value in [*values, *choices])
