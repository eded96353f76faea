"""What workers, clients and readers of before attributes of products know, and what later ones may add."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.rows import ok_row

from askpix.producer.calibration import Calibration
from askpix.producer.items import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.questions import Question
from askpix.producer.records import row_from_json, row_to_json
from askpix.producer.rows import Alternative, Answer, Choice, Kind
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

PLAIN = Question("what color?", name="color", choices=("red", "blue"))
LATER = Question("a {choice}?", choices=("star", "moon"), multiple=True, calibration=Calibration(temperature=2))

FIELDS = ["text", "name", "choices", "match", "json_schema", "after"]
"""Of a question, that were always written."""

ANSWER = Answer(
    name="color",
    kind=Kind.CHOICE,
    text="red",
    confidence=0.75,
    tokens=1,
    choices=(Choice(text="red", probability=0.75), Choice(text="blue", probability=0.25)),
    alternatives=(Alternative(text="pink", confidence=0.1),),
)
ROW = replace(ok_row("a.jpg"), answers=(ANSWER,))


def written(place: Path, asked: Question, own: Question) -> tuple[list[str], list[str]]:
    """Returns the fields of questions in a job's job.json, and in its input."""
    folder = JobFolder(LocalStorage(place))
    items = [Item(image="a.jpg", questions=(own,)), Item(image="b.jpg")]
    spec = write_job(items, folder, Order(model="m", questions=(asked,)), base="/shop")
    said = json.loads((place / "job.json").read_text())
    schema = pq.read_schema(place / "input" / f"part-000000.{spec.id}.parquet")

    assert folder.spec() == spec
    assert spec.questions == (asked,)
    assert folder.read_input(0, spec.id)[0].questions == (own,)
    return list(said["questions"][0]), [field.name for field in schema.field("questions").type.value_type]


def test_workers_of_before_can_do_a_job_of_plain_questions(tmp_path: Path) -> None:
    assert written(tmp_path, PLAIN, PLAIN) == (FIELDS, FIELDS)


def test_a_job_has_of_later_fields_those_that_it_uses(tmp_path: Path) -> None:
    used = {*FIELDS, "multiple", "calibration"}

    assert tuple(map(set, written(tmp_path, LATER, LATER))) == (used, used)


def test_clients_of_before_understand_the_answer_to_a_plain_ask() -> None:
    said = row_to_json(ROW)["answers"][0]

    assert set(said) == {
        "name", "kind", "text", "confidence", "tokens", "question", "choices", "finish_reason", "alternatives",
        "prompt_tokens",
    }  # fmt: skip
    assert said["choices"] == ({"text": "red", "probability": 0.75}, {"text": "blue", "probability": 0.25})


def test_an_answer_keeps_what_it_says_of_calibration_and_of_earlier_ones() -> None:
    row = replace(ROW, answers=(replace(ANSWER, raw=(0.5, 0.5), said="rot", cached=False),))

    assert row_from_json(json.loads(json.dumps(row_to_json(row)))) == row


def test_readers_of_before_find_choices_in_result_files_as_they_know_them(tmp_path: Path) -> None:
    # They take whatever an answer has, and refuse a choice that has more than they know.
    folder = JobFolder(LocalStorage(tmp_path))
    rows = [ROW, replace(ROW, answers=(replace(ANSWER, raw=(0.5, 0.5)),))]

    folder.write_result(0, rows)

    assert folder.read_result(0) == rows
    answers = folder.read_result_table(0)["answers"].to_pylist()
    assert [set(choice) for (answer,) in answers for choice in answer["choices"]] == [{"text", "probability"}] * 4


@pytest.mark.parametrize("name", ["choices", "alternatives"])
def test_what_a_later_version_adds_to_choices_is_left_aside(tmp_path: Path, name: str) -> None:
    value: dict[str, Any] = row_to_json(ROW)
    value["answers"][0][name] = [{**held, "rank": 1} for held in value["answers"][0][name]]
    record = {**value, "extra": None}
    folder = JobFolder(LocalStorage(tmp_path))
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([record]), buffer)
    folder.storage.write("results/part-000000.parquet", buffer.getvalue().to_pybytes())

    assert row_from_json(value) == ROW
    assert folder.read_result(0) == [ROW]
