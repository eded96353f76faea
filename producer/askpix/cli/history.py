"""Reads the file that `--history` names: what was asked before, and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from askpix.producer.errors import InputError
from askpix.producer.items import Turn, shown_in
from askpix.producer.rows import Status
from askpix.producer.shown import first_problem

_MOST_BYTES = 64_000_000

_TURN = TypeAdapter(Turn)


def read_history(path: Path) -> tuple[Turn, ...]:
    """Returns the turns of a file: none, where it is empty.

    It holds a JSON or YAML list, or lines of JSON, of objects with question, answer and images, or of what `askpix ask
    --json` prints. Of the latter, those that failed are no turns; an image is shown with the first of those about it
    that follow each other.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    turns: list[Turn] = []
    for place, value in _values(path):
        try:
            turn = _turn(value, shown_in(turns))
        except ValidationError as error:
            raise InputError(f"{path}, {place}: {first_problem(error)}") from None
        except InputError as error:
            raise InputError(f"{path}, {place}: {error}") from None
        if turn is not None:
            turns.append(turn)
    return tuple(turns)


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields what a file's list holds, each with its place for a person."""
    text = _text(path)
    if text.lstrip().startswith("{"):
        # Not splitlines, which also cuts where texts may have marks of their own, such as U+2028.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number}", _json(line, f"{path}, line {number}")
        return
    is_json = text.lstrip().startswith("[") and path.suffix.lower() not in (".yaml", ".yml")
    values = _json(text, str(path)) if is_json else _yaml(text, path)
    if values is None:
        return
    if not isinstance(values, list):
        raise InputError(f"{path} must hold a list of {{question, answer, images}}, or a JSON object a line")
    yield from ((f"turn {number}", value) for number, value in enumerate(values, 1))


def _turn(value: Any, shown: Sequence[str]) -> Turn | None:
    """Returns what an object says; None of a row that has failed, and of a piece of an answer that was read as it came.

    Args:
        shown: the images that were shown before it.
    """
    if not isinstance(value, Mapping):
        raise InputError("this is no object with question, answer and images")
    if set(value) == {"piece"}:
        return None
    if "answers" not in value:
        return _TURN.validate_python(dict(value))
    if value.get("status") == Status.ERROR:
        return None
    image, answers = value.get("image"), value["answers"]
    if not isinstance(answers, list) or len(answers) != 1 or not isinstance(answers[0], Mapping):
        raise InputError("of a result row, one answer is a turn, and this has none or several")
    if not isinstance(image, str):
        raise InputError("this result row names no image")
    if image.startswith("data:") and "," not in image:
        raise InputError("the image of this result row was sent along and is not in it: put its name or path there")
    images = () if shown and shown[-1] == image else (image,)
    said = {"question": answers[0].get("question") or "", "answer": answers[0].get("text"), "images": images}
    return _TURN.validate_python(said)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InputError(f"{path} has more than {_MOST_BYTES // 1_000_000} MB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON: {str(error)[:200]}") from None


def _yaml(text: str, path: Path) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None
