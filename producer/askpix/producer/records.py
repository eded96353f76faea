"""Items and result rows as records: the Arrow schemas of a job folder's files, and JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import pyarrow as pa

from askpix.producer.items import Item
from askpix.producer.questions import ATTRIBUTES, Question
from askpix.producer.rows import Alternative, Answer, Choice, Kind, Row, Status

_QUESTION = pa.struct(
    [
        ("text", pa.string()),
        ("name", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("match", pa.bool_()),
        ("json_schema", pa.string()),
        ("after", pa.string()),
        ("multiple", pa.bool_()),
        ("when", pa.string()),
        ("below", pa.float64()),
        ("then", pa.string()),
        ("map", pa.string()),
        ("calibration", pa.string()),
    ]
)

INPUT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("group", pa.string()),
        pa.field("image", pa.string(), nullable=False),
        pa.field("questions", pa.list_(_QUESTION)),
        pa.field("extra", pa.string()),
    ]
)
"""With all that a question may have; see `input_schema`."""

_ANSWER = pa.struct(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("question", pa.string()),
        ("text", pa.string()),
        ("confidence", pa.float64()),
        ("choices", pa.list_(pa.struct([("text", pa.string()), ("probability", pa.float64())]))),
        ("finish_reason", pa.string()),
        ("tokens", pa.int32()),
        ("alternatives", pa.list_(pa.struct([("text", pa.string()), ("confidence", pa.float64())]))),
        ("prompt_tokens", pa.int32()),
        ("said", pa.string()),
        ("cached", pa.bool_()),
        # Beside the choices: readers of before refuse one that has more than they know, but not an answer.
        ("raw", pa.list_(pa.float64())),
    ]
)

_CHOICE = tuple(field.name for field in fields(Choice))
_ALTERNATIVE = tuple(field.name for field in fields(Alternative))

_ADDED_TO_ANSWERS = frozenset({"said", "cached", "raw"})
"""Fields of answers that those of before do not have."""

RESULT_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("group", pa.string()),
        pa.field("image", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("answers", pa.list_(_ANSWER), nullable=False),
        pa.field("error_code", pa.string()),
        pa.field("error_message", pa.string()),
        pa.field("retryable", pa.bool_()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("precision", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("extra", pa.string()),
    ]
)


def input_schema(used: Collection[str]) -> pa.Schema:
    """Returns the schema of an input file: of what questions were given later, only what is used, since workers of
    before refuse all questions that have more than they know.

    Args:
        used: fields that any of its questions has.
    """
    kept = [field for field in _QUESTION if field.name in used or field.name not in ATTRIBUTES]
    place = INPUT_SCHEMA.get_field_index("questions")
    return INPUT_SCHEMA.set(place, pa.field("questions", pa.list_(pa.struct(kept))))


def item_from_record(record: Mapping[str, Any]) -> Item:
    """Returns the item of an input row."""
    identity, questions = own_questions_from_record(record)
    return Item(
        id=identity,
        group=record.get("group"),
        image=record["image"],
        questions=questions,
        extra=json.loads(record.get("extra") or "{}"),
    )


def own_questions_from_record(record: Mapping[str, Any]) -> tuple[str, tuple[Question, ...] | None]:
    """Returns the id of an input row, and the questions that its item has of its own."""
    questions: Sequence[Mapping[str, Any]] | None = record.get("questions")
    return record["id"], None if questions is None else tuple(Question.parse(question) for question in questions)


def row_to_record(row: Row) -> dict[str, Any]:
    """Returns the result row as plain values in the order of RESULT_SCHEMA."""
    record = {name: getattr(row, name) for name in RESULT_SCHEMA.names}
    # `asdict` copies each value for safety's sake, which takes ten times as long.
    record["answers"] = [_answer_to_record(answer) for answer in row.answers]
    return record


def _answer_to_record(answer: Answer) -> dict[str, Any]:
    record = {field.name: getattr(answer, field.name) for field in fields(answer)}
    if answer.choices is not None:
        record["choices"] = [{"text": choice.text, "probability": choice.probability} for choice in answer.choices]
    if answer.alternatives is not None:
        record["alternatives"] = [{"text": other.text, "confidence": other.confidence} for other in answer.alternatives]
    return record


def row_from_record(record: Mapping[str, Any]) -> Row:
    """Returns the row of a result file's record; columns that Row does not know are left out."""
    known = {name: record[name] for name in RESULT_SCHEMA.names if name in record}
    answers = tuple(_answer_from_record(answer) for answer in record["answers"])
    return Row(**{**known, "status": Status(record["status"]), "answers": answers})


def whole_row_from_record(record: Mapping[str, Any]) -> Row:
    """Returns the row of a result file's record; raises ValueError where it lacks what each row and answer has."""
    row = row_from_record(record)
    _check_whole("the row", row.id, row.image)
    for answer in row.answers:
        _check_whole("an answer", answer.name, answer.text, answer.confidence)
        for choice in answer.choices or ():
            _check_whole("a choice", choice.text, choice.probability)
        for other in answer.alternatives or ():
            _check_whole("an alternative", other.text)
    return row


def _check_whole(what: str, *values: object) -> None:
    if None in values:
        raise ValueError(f"{what} lacks a value")


def row_to_json(row: Row) -> dict[str, Any]:
    """Returns a row as JSON values, the caller's columns as an object rather than as text; of answers, what later
    versions added only where it is there."""
    answers = [
        {name: value for name, value in answer.items() if value is not None or name not in _ADDED_TO_ANSWERS}
        for answer in asdict(row)["answers"]
    ]
    return {**asdict(row), "answers": answers, "extra": json.loads(row.extra or "{}")}


def row_from_json(value: Mapping[str, Any]) -> Row:
    """Returns the row that `row_to_json` told."""
    extra = value.get("extra")
    return row_from_record({**value, "extra": json.dumps(extra, ensure_ascii=False) if extra else None})


def _answer_from_record(record: Mapping[str, Any]) -> Answer:
    choices: Sequence[Mapping[str, Any]] | None = record["choices"]
    others: Sequence[Mapping[str, Any]] | None = record.get("alternatives")
    raw: Sequence[float] | None = record.get("raw")
    known = {name: record[name] for name in _ANSWER.names if name in record}
    return Answer(
        **{
            **known,
            "kind": Kind(record["kind"]),
            # By what is known of them: later versions may add to these too.
            "choices": None if choices is None else tuple(Choice(**_known(choice, _CHOICE)) for choice in choices),
            "alternatives": None
            if others is None
            else tuple(Alternative(**_known(other, _ALTERNATIVE)) for other in others),
            "raw": None if raw is None else tuple(raw),
        }
    )


def _known(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: record[name] for name in names}
