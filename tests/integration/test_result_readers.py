"""Results open as they are in what people read tables with, with the types that the documentation says."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pytest
from helpers.offline import offline
from helpers.rows import failed_row, ok_row

from askpix.producer import Answer, Choice, Job, Kind, Row
from askpix.producer.export import export
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.records import RESULT_SCHEMA, row_to_record
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

__all__ = ["offline"]

Rows = list[dict[str, Any]]

CAPTION = Answer(name="caption", kind=Kind.CAPTION, text='a "mug", é 杯\n', confidence=0.5, tokens=4)
COLOR = Answer(
    name="color",
    question="what color is it?",
    kind=Kind.CHOICE,
    text="blué",
    confidence=0.75,
    tokens=0,
    choices=(Choice(text="blué", probability=0.75), Choice(text="red", probability=0.25)),
)

# Parts that differ in which columns hold anything: all null in one, none in another.
PARTS = [
    [failed_row("0.jpg"), failed_row("1.jpg", "not_an_image", retryable=False)],
    [replace(ok_row("2.jpg"), answers=(CAPTION,)), replace(ok_row("3.jpg"), answers=(COLOR, CAPTION))],
    [
        replace(
            ok_row("4-é杯.jpg"),
            answers=(COLOR,),
            group="shelf",
            width=640,
            height=480,
            sha256="0" * 64,
            extra='{"price": 3.5, "tags": ["é"]}',
        ),
        failed_row("5.jpg"),
    ],
]
IDS = [row.id for part in PARTS for row in part]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A finished job of three parts: one of failures, one of answers, one of both."""
    folder = JobFolder(LocalStorage(tmp_path / "job"))
    spec = write_job(IDS, folder, Order(model="m", part_size=2), base=str(tmp_path))
    for number, rows in enumerate(PARTS):
        folder.write_result(number, rows)
    return Job(folder, spec)


@pytest.fixture
def retried(job: Job) -> Job:
    """That job after a round which mended its first part."""
    job.folder.write_result(0, [replace(ok_row(row.id), answers=(COLOR,), attempts=2) for row in PARTS[0]], round_=1)
    return job


# Readers: a name, and what gives the rows of files or of a folder. --------------------------------


def library(name: str) -> Any:
    if "ASKPIX_TESTS_MUST_NOT_SKIP" in os.environ:
        return importlib.import_module(name)
    return pytest.importorskip(name)


def by_pyarrow(place: str | list[str]) -> Rows:
    return pyarrow.dataset.dataset(place, format="parquet").to_table().to_pylist()


def by_pandas(place: str | list[str]) -> Rows:
    frame = library("pandas").read_parquet(place)
    assert {"width": "float64", "attempts": "int32", "seconds": "float64"}.items() <= {
        name: str(kind) for name, kind in frame.dtypes.items()
    }.items()
    return [{name: plain(value) for name, value in record.items()} for record in frame.to_dict("records")]


def by_polars(place: str | list[str]) -> Rows:
    polars = library("polars")
    frame = polars.read_parquet(place)
    assert frame.schema["answers"].inner.to_schema()["choices"] == polars.List(
        polars.Struct({"text": polars.String, "probability": polars.Float64})
    )
    assert [frame.schema[name] for name in ("retryable", "width", "extra")] == [
        polars.Boolean,
        polars.Int32,
        polars.String,
    ]
    rows: Rows = frame.to_dicts()
    return rows


def by_duckdb(place: str | list[str]) -> Rows:
    files = f"{place}/*.parquet" if isinstance(place, str) else place
    with library("duckdb").connect() as database:
        found = database.execute("from read_parquet(?)", [files])
        types = {name: str(kind) for name, kind, *_ in found.description}
        assert {"status": "VARCHAR", "retryable": "BOOLEAN", "width": "INTEGER", "seconds": "DOUBLE"}.items() <= (
            types.items()
        )
        return [dict(zip(types, values, strict=True)) for values in found.fetchall()]


def by_datasets(place: str | list[str]) -> Rows:
    datasets = library("datasets")
    files = f"{place}/*.parquet" if isinstance(place, str) else place
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=os.environ["HF_DATASETS_CACHE"])
    assert found.features["answers"].feature["confidence"] == datasets.Value("float64")
    return list(found)


READERS = [by_pyarrow, by_pandas, by_polars, by_duckdb, by_datasets]


def plain(value: Any) -> Any:
    """Returns what pandas hands out as Python's own values: of its arrays lists, of its NaN None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def expected(parts: list[list[Row]]) -> Rows:
    return [record for part in parts for record in as_table(part).to_pylist()]


def as_table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(map(row_to_record, rows)), schema=RESULT_SCHEMA)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_finished_jobs_folder_opens_as_it_is(job: Job, read: Callable[[str | list[str]], Rows]) -> None:
    rows = read(f"{job.folder.uri}/results")

    assert sorted(rows, key=lambda row: row["id"]) == expected(PARTS)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_after_a_retry_the_newest_files_open(retried: Job, read: Callable[[str | list[str]], Rows]) -> None:
    files = retried.files()

    rows = read(files)

    assert [row["id"] for row in rows] == IDS
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "ok", "ok", "error"]
    assert [row["attempts"] for row in rows] == [2, 2, 1, 1, 1, 1]
    assert rows[0]["answers"][0]["choices"][1] == {"text": "red", "probability": 0.25}


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_an_export_to_parquet_opens(retried: Job, tmp_path: Path, read: Callable[[str | list[str]], Rows]) -> None:
    export(retried.folder, str(tmp_path / "all.parquet"))

    assert read([str(tmp_path / "all.parquet")]) == read(retried.files())


def test_files_are_the_newest_of_each_part_in_order(retried: Job) -> None:
    assert retried.files() == [
        f"{retried.folder.uri}/results/part-000000.r001.parquet",
        f"{retried.folder.uri}/results/part-000001.parquet",
        f"{retried.folder.uri}/results/part-000002.parquet",
    ]
    assert all(Path(file).is_absolute() and Path(file).is_file() for file in retried.files())


def test_a_job_without_results_has_no_files(tmp_path: Path) -> None:
    folder = JobFolder(LocalStorage(tmp_path / "job"))
    spec = write_job(IDS, folder, Order(model="m"), base=str(tmp_path))

    assert Job(folder, spec).files() == []


# What the documentation shows. -------------------------------------------------------------------


def test_duckdb_takes_answers_apart(job: Job) -> None:
    query = "select id, a.text, a.choices[2].text from (select id, unnest(answers) a from read_parquet(?)) order by all"
    with library("duckdb").connect() as database:
        found = database.execute(query, [f"{job.folder.uri}/results/*.parquet"]).fetchall()

    assert found == [
        ("2.jpg", CAPTION.text, None),
        ("3.jpg", CAPTION.text, None),
        ("3.jpg", "blué", "red"),
        ("4-é杯.jpg", "blué", "red"),
    ]


def test_duckdb_reads_the_callers_columns(job: Job) -> None:
    query = "select extra->>'$.price' from read_parquet(?) where extra is not null"
    with library("duckdb").connect() as database:
        assert database.execute(query, [f"{job.folder.uri}/results/*.parquet"]).fetchall() == [("3.5",)]


def test_polars_takes_answers_apart(job: Job) -> None:
    frame = library("polars").read_parquet(f"{job.folder.uri}/results")

    answers = frame.explode("answers").unnest("answers")

    assert answers.filter(answers["kind"] == "choice")["text"].to_list() == ["blué", "blué"]


def test_pandas_takes_answers_apart(job: Job) -> None:
    frame = library("pandas").read_parquet(f"{job.folder.uri}/results")

    answers = frame.explode("answers").dropna(subset="answers")

    assert [answer["text"] for answer in answers["answers"]] == [CAPTION.text, "blué", CAPTION.text, "blué"]
