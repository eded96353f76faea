"""The job folder: what job.json takes, what a fingerprint is of, and rows that come back as they were written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askpix.producer import Alternative, Answer, Choice, Item, Job, Kind, Options, Question, Row, Status
from askpix.producer.errors import JobError
from askpix.producer.job_folder import JobFolder, PinnedModel
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.records import RESULT_SCHEMA
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

SPEC = JobSpec(
    id="0123456789abcdef" * 2,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    model="blip-vqa-base",
    questions=(Question("what is it?"), Question("color?", name="color", choices=("red", "blué"))),
    options=Options(max_new_tokens=7, prompt="a photo of"),
    items=1000,
    parts=4,
    part_size=256,
    fingerprint="abc",
)

ROW = Row(
    id="a",
    group="shelf",
    image="/shop/é.jpg",
    status=Status.OK,
    answers=(
        Answer(name="what is it?", kind=Kind.OPEN, question="what is it?", text="a mug", confidence=0.5, tokens=3),
        Answer(
            name="color",
            kind=Kind.CHOICE,
            question="color?",
            text="red",
            confidence=0.75,
            tokens=0,
            choices=(Choice(text="red", probability=0.75), Choice(text="blué", probability=0.25)),
        ),
        Answer(
            name="caption",
            kind=Kind.CAPTION,
            text="",
            confidence=0.0,
            tokens=20,
            finish_reason="length",
            alternatives=(Alternative(text="é", confidence=0.5),),
        ),
        Answer(name="a mug", kind=Kind.MATCH, question="a mug", text="no", confidence=0.25, tokens=0),
    ),
    attempts=1,
    model="m",
    fingerprint="f",
    precision="f32",
    device="CPU",
    seconds=0.25,
    width=640,
    height=480,
    sha256="0" * 64,
    extra='{"price": 3.5, "tags": ["é"]}',
)

FAILED = replace(
    ROW,
    id="b",
    group=None,
    status=Status.ERROR,
    answers=(),
    error_code="http_404",
    error_message="the server answered 404",
    retryable=False,
    width=None,
    height=None,
    sha256=None,
    extra=None,
)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(LocalStorage(tmp_path / "job"))


# job.json ----------------------------------------------------------------------------------------


def test_job_json_comes_back_as_it_was_written(folder: JobFolder) -> None:
    assert folder.spec() is None

    assert folder.write_spec(SPEC) == SPEC

    assert folder.spec() == SPEC


def changed(**values: Any) -> bytes:
    return json.dumps({**json.loads(SPEC.model_dump_json()), **values}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        changed(format=2),
        changed(surprise=1),
        changed(id="../../etc"),
        changed(id=None),
        changed(model="../m"),
        changed(model="m\n"),
        changed(items=0),
        changed(parts=0),
        changed(parts=10**7),
        changed(part_size=0),
        changed(created_at="2026-01-02T03:04:05"),
        changed(questions=[{"text": "t", "surprise": 1}]),
        changed(questions=[{}]),
        changed(options={"max_new_tokens": 0}),
        changed(options={"warmth": 1}),
    ],
)
def test_a_job_json_that_is_damaged_or_of_another_version_is_refused(folder: JobFolder, content: bytes) -> None:
    folder.storage.write("job.json", content)

    with pytest.raises(JobError, match=r"job\.json is not a job of this askpix version") as caught:
        folder.spec()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["job.json", "model.json", "rounds/001.json"])
def test_a_file_that_is_larger_than_there_is_memory_is_said_and_not_read(folder: JobFolder, name: str) -> None:
    folder.storage.write(name, b"")
    os.truncate(Path(folder.uri, name), 1 << 42)  # a hole, which takes no room
    reads: dict[str, Callable[[], object]] = {
        "job.json": folder.spec,
        "model.json": lambda: folder.pin_model(PinnedModel(name="m", fingerprint="f")),
        "rounds/001.json": lambda: folder.read_round(1),
    }

    with pytest.raises(JobError, match=name):
        reads[name]()


def test_opening_a_folder_without_a_job_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="holds no job"):
        Job.open(str(tmp_path))


# model.json --------------------------------------------------------------------------------------


def test_the_first_worker_pins_the_model_and_the_others_see_it(folder: JobFolder) -> None:
    first, second = PinnedModel(name="m", fingerprint="1"), PinnedModel(name="m", fingerprint="2")

    assert folder.pin_model(first) == first
    assert folder.pin_model(second) == first
    assert folder.pin_model(second) == first


def test_a_damaged_model_json_is_said(folder: JobFolder) -> None:
    folder.storage.write("model.json", b"{")

    with pytest.raises(JobError, match=r"model\.json is damaged"):
        folder.pin_model(PinnedModel(name="m", fingerprint="1"))


# Parts. ------------------------------------------------------------------------------------------


def test_items_come_back_as_they_were_written(folder: JobFolder) -> None:
    items = [
        Item(image="/shop/é.jpg", id="a", group="g", extra={"price": 3.5, "tags": ["é", None], "=x": {"y": True}}),
        Item(image="http://shop/b", id="b", questions=(Question("q", name="n", choices=("x", "y")), Question(""))),
    ]

    folder.write_input(3, items, SPEC.id)

    assert folder.read_input(3, SPEC.id) == items


def test_result_rows_come_back_as_they_were_written(folder: JobFolder) -> None:
    folder.write_result(0, [ROW, FAILED])

    assert folder.read_result(0) == [ROW, FAILED]
    assert folder.has_result(0)
    assert not folder.has_result(1)


def test_a_row_has_a_column_for_each_of_its_fields() -> None:
    assert {field.name for field in fields(Row)} == set(RESULT_SCHEMA.names)


def test_any_parquet_reader_can_read_the_results(folder: JobFolder, tmp_path: Path) -> None:
    folder.write_result(0, [ROW, FAILED])

    table = pq.read_table(tmp_path / "job" / "results" / "part-000000.parquet")

    assert table.schema.equals(RESULT_SCHEMA)
    answers: Any = table["answers"].to_pylist()[0]
    assert answers[1]["choices"][1] == {"text": "blué", "probability": 0.25}


def test_results_of_other_versions_are_read_too(folder: JobFolder) -> None:
    # Given: a file with a column more, and one with the columns of an earlier version only.
    folder.write_result(0, [ROW])
    table = pq.read_table(pa.BufferReader(folder.storage.read("results/part-000000.parquet")))
    more = table.append_column("alternatives", pa.array(["new"]))
    less = table.drop_columns(["group", "retryable", "width", "height", "sha256", "extra"])
    for part, changed_table in enumerate((more, less)):
        buffer = pa.BufferOutputStream()
        pq.write_table(changed_table, buffer)
        folder.storage.write(f"results/part-{part:06d}.parquet", buffer.getvalue().to_pybytes())

    # Then
    assert folder.read_result(0) == [ROW]
    assert folder.read_result(1) == [replace(ROW, group=None, width=None, height=None, sha256=None, extra=None)]


def test_parts_done_are_in_order_and_other_files_are_none(folder: JobFolder) -> None:
    for part in (11, 2, 0):
        folder.write_result(part, [ROW])
    for name in ("part-000003.parquet.tmp", "part-3.parquet", "notes.txt", ".part-000004.parquet"):
        folder.storage.write(f"results/{name}", b"")

    assert list(folder.results()) == [0, 2, 11]


def test_a_part_that_is_missing_or_damaged_is_said(folder: JobFolder) -> None:
    with pytest.raises(JobError, match=r"part-000000\.0123456789abcdef0123456789abcdef\.parquet is missing"):
        folder.read_input(0, SPEC.id)

    for content in (b"", b"not parquet", b"PAR1" + b"\0" * 20 + b"PAR1"):
        folder.storage.write("results/part-000000.parquet", content)
        with pytest.raises(JobError, match=r"part-000000\.parquet is damaged"):
            folder.read_result(0)


def test_reading_and_writing_parts_starts_no_threads(folder: JobFolder, tmp_path: Path) -> None:
    # Arrow's threads, where it has any, abort now and then the process that ends right after it has read.
    code = (
        "import os, sys\n"
        "from askpix.producer.job_folder import JobFolder\n"
        "from askpix.producer.storage_opening import open_storage\n"
        "folder = JobFolder(open_storage(sys.argv[1]))\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "folder.write_result(1, folder.read_result(0))\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    folder.write_result(0, [ROW, FAILED])

    done = subprocess.run([sys.executable, "-P", "-c", code, folder.uri], capture_output=True, text=True, check=True)

    assert done.stdout == "0\n"
    assert folder.read_result(1) == [ROW, FAILED]


# What makes two jobs the same. -------------------------------------------------------------------

BASE: dict[str, Any] = {
    "items": [Item(image="a.jpg", id="1", group="g", extra={"x": 1}), Item(image="b.jpg")],
    "base": "/shop",
    "model": "m",
    "questions": (Question("q", name="n", choices=("x", "y")),),
    "options": Options(),
    "part_size": 8,
}


def fingerprint(folder: Path, **changes: Any) -> str:
    values = {**BASE, **changes}
    items, base = values.pop("items"), values.pop("base")
    return write_job(items, JobFolder(LocalStorage(folder)), Order(**values), base=base).fingerprint


def test_the_same_job_has_the_same_fingerprint_wherever_it_is(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


FIRST, SECOND = BASE["items"]


@pytest.mark.parametrize(
    "changes",
    [
        {"items": [FIRST]},
        {"items": [SECOND, FIRST]},
        {"items": [replace(FIRST, image="c.jpg"), SECOND]},
        {"items": [replace(FIRST, id="2"), SECOND]},
        {"items": [replace(FIRST, group=None), SECOND]},
        {"items": [replace(FIRST, extra={"x": 2}), SECOND]},
        {"items": [replace(FIRST, questions=(Question("own"),)), SECOND]},
        {"base": "/other"},
        {"model": "m2"},
        {"questions": None},
        {"questions": (Question("q2", name="n", choices=("x", "y")),)},
        {"questions": (Question("q", name="n2", choices=("x", "y")),)},
        {"questions": (Question("q", name="n", choices=("y", "x")),)},
        {"questions": (Question("q", name="n"),)},
        {"questions": (Question("q", name="n", match=True),)},
        {"options": Options(max_new_tokens=21)},
        {"options": Options(prompt="a")},
        {"options": Options(num_beams=3)},
        {"part_size": 9},
    ],
    ids=str,
)
def test_each_ingredient_changes_the_fingerprint_and_the_folder_refuses_it(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    same = fingerprint(tmp_path / "job")

    assert fingerprint(tmp_path / "other", **changes) != same
    with pytest.raises(JobError, match="holds another job"):
        fingerprint(tmp_path / "job", **changes)
    assert fingerprint(tmp_path / "job") == same
