"""What no wide table is made of: other forms, too many columns, and results that are damaged."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.jobs import answered, chosen, job_of, said
from helpers.wide import COLOR, WIDE, cells

from askpix.producer.columns import Columns
from askpix.producer.errors import InputError, JobError
from askpix.producer.export import Wishes, export
from askpix.producer.job_folder import JobFolder


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("out.csv", "rows", "as rows: it takes a name that ends in .parquet, .jsonl"),
        ("out.csv", "text", "it takes a folder"),
        ("out/", "wide", "as wide: it takes a name that ends in .csv"),
        ("out/", "webdataset", "it takes a name that ends in .tar"),
        ("out.csv", "pdf", "there is no form 'pdf': there is answers, rows, wide"),
    ],
)
def test_a_form_that_takes_no_such_name_says_which_it_takes(tmp_path: Path, name: str, form: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        export(job_of(tmp_path / "job", [answered("a")]), f"{tmp_path}/{name}", wishes=Wishes(form=form))


def test_more_columns_than_a_table_can_have_are_refused(tmp_path: Path) -> None:
    row = answered("a", *[said(f"q{n}", "x") for n in range(8_193)])

    with pytest.raises(InputError, match=r"more than 16384 .* --form rows"):
        cells(job_of(tmp_path / "job", [row]))


def test_a_damaged_file_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a"), answered("b"), answered("c")])
    (tmp_path / "job" / "results" / "part-000001.parquet").write_bytes(b"damaged")

    for name in ("out.csv", "out.jsonl", "out.parquet"):
        with pytest.raises(JobError, match=r"part-000001.* is damaged"):
            export(folder, str(tmp_path / name), wishes=WIDE)

    assert [path.name for path in tmp_path.iterdir()] == ["job"]


def test_results_of_an_older_version_are_read(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a", said("q", "x")), answered("b", said("q", "y"))])
    path = tmp_path / "job" / "results" / "part-000000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["sha256", "extra", "error_message"]), path)

    assert [line[4] for line in cells(folder)[1:]] == ["x", "y"]


HOLES: list[dict[str, Any]] = [
    {"name": None},
    {"text": None},
    {"kind": None},
    {"choices": [{"text": "red", "probability": None, "raw": None}]},
    {"choices": [{"text": None, "probability": 0.5, "raw": None}]},
    {"choices": [None]},
    {"alternatives": [{"text": None, "confidence": 0.5}]},
    {"alternatives": [None]},
]


def with_holes(place: Path, of_row: dict[str, Any], of_answer: dict[str, Any] | None) -> JobFolder:
    """Returns a job in which a result lacks what each has, as somebody else may have written it."""
    folder = job_of(place / "job", [answered("a", chosen("color", red=0.9), group="g"), answered("b")], [COLOR])
    path = place / "job" / "results" / "part-000000.parquet"
    table = pq.read_table(path)
    records = table.to_pylist()
    records[0].update(of_row)
    if of_answer is None:
        records[0]["answers"] = [None]
    elif records[0]["answers"]:
        records[0]["answers"][0].update(of_answer)
    schema = pa.schema([field.with_nullable(True) for field in table.schema])
    pq.write_table(pa.Table.from_pylist(records, schema=schema), path)
    return folder


@pytest.mark.parametrize(
    ("of_row", "of_answer"),
    [({"id": None}, {}), ({"image": None}, {}), ({"status": None}, {}), ({}, None), *(({}, hole) for hole in HOLES)],
)
def test_a_result_that_lacks_what_each_has_is_said(
    tmp_path: Path, of_row: dict[str, Any], of_answer: dict[str, Any] | None
) -> None:
    folder = with_holes(tmp_path, of_row, of_answer)

    for name, wishes in [
        ("answers.csv", Wishes()),
        ("groups.csv", Wishes(groups=True)),
        ("groups.parquet", Wishes(groups=True)),
    ]:
        with pytest.raises(JobError, match=r"part-000000\.parquet"):
            export(folder, str(tmp_path / name), wishes=wishes)
    for name in ("wide.csv", "wide.parquet", "wide.jsonl", "json/", "texts/"):
        # What wide tables do not tell, they do not read.
        with suppress(JobError):
            export(
                folder, str(tmp_path / name), wishes=Wishes(form={"json/": "json", "texts/": None}.get(name, "wide"))
            )


@pytest.mark.parametrize(
    ("name", "wishes", "words"),
    [
        ("out.csv", Wishes(columns=Columns(id="sku")), "tell of the list of --merge"),
        ("out.jsonl", Wishes(excel=True), "--excel marks tables"),
        ("out.parquet", Wishes(form="wide", excel=True), "--excel marks tables"),
        ("out/", Wishes(excel=True), "--excel marks tables"),
        ("out.csv", Wishes(merge="list.csv", excel=True), "leave out --excel"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(tmp_path: Path, name: str, wishes: Wishes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        export(job_of(tmp_path / "job", [answered("a")]), f"{tmp_path}/{name}", wishes=wishes)

    assert [path.name for path in tmp_path.iterdir()] == ["job"]
