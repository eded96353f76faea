"""The file of an export: where it may be, and that it is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.exports import job, lines, row, table

from askpix.producer.errors import InputError, JobError, StorageError
from askpix.producer.export import Wishes, export
from askpix.producer.records import RESULT_SCHEMA


def test_a_job_without_results_is_a_file_without_lines(tmp_path: Path) -> None:
    assert lines(tmp_path) == []
    assert len(table(tmp_path)) == 1
    assert export(job(tmp_path), str(tmp_path / "out.parquet")).items == 0
    assert pq.read_table(tmp_path / "out.parquet").schema.equals(RESULT_SCHEMA)


@pytest.mark.parametrize("name", ["out.xlsx", "out.json", "out.txt", "out.parquet.gz", "out.v2", "out.gz"])
def test_another_form_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.tsv, \.jsonl, .* \.parquet, .* folders"):
        export(job(tmp_path, [row()]), str(tmp_path / name))


@pytest.mark.parametrize("target", ["s3://shop/out.csv", "S3://shop/captions/"])
def test_s3_is_refused_with_what_to_do_instead(tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match="a file here and copy"):
        export(job(tmp_path, [row()]), target)


@pytest.mark.parametrize("target", ["", "http://shop/out.csv", "out\0.csv", "data:,out.csv", "file://host/out.csv"])
def test_what_is_no_path_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(InputError, match="no path of this machine"):
        export(job(tmp_path, [row()]), target)


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    export(job(tmp_path, [row()]), (tmp_path / "an out.csv").as_uri())

    assert (tmp_path / "an out.csv").is_file()


@pytest.mark.parametrize("name", ["no/out.csv", "file/out.csv", f"{'x' * 300}.csv", "file/captions/", f"{'x' * 300}/"])
def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="cannot be written"):
        export(job(tmp_path, [row()]), f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("results/all.parquet", None),
        ("results/", None),
        ("results/captions", None),
        ("corrections/", "json"),
        ("rounds/", "json"),
        ("partial/texts", None),
        ("control/", None),
        ("input/part-000000.parquet", None),
        ("model.json/", None),
    ],
)
def test_nothing_is_put_among_the_jobs_own_files(tmp_path: Path, name: str, form: str | None) -> None:
    made = job(tmp_path, [row("000001")])

    with pytest.raises(InputError, match="among the job's own files"):
        export(made, f"{tmp_path}/job/{name}", force=True, wishes=Wishes(form=form))

    assert [path.name for path in (tmp_path / "job").rglob("*")] == ["results", "part-000000.parquet"]


def test_no_list_leads_from_a_folder_above_to_the_jobs_own_files(tmp_path: Path) -> None:
    made = job(
        tmp_path, [row("b.jpg", image="b.jpg"), row("job/corrections/000001.jpg", image="job/corrections/000001.jpg")]
    )

    with pytest.raises(InputError, match=r"job/corrections, among the job's own"):
        export(made, f"{tmp_path}/", force=True, wishes=Wishes(form="json"))

    assert [path.name for path in tmp_path.iterdir()] == ["job"]
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["results"]


def test_an_export_may_lie_in_the_job_folder_beside_the_jobs_own_files(tmp_path: Path) -> None:
    export(job(tmp_path, [row()]), f"{tmp_path}/job/exports/")

    assert (tmp_path / "job" / "exports" / "a.txt").is_file()


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.csv.gz"])
def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path, name: str) -> None:
    made = job(tmp_path, [row()])
    (tmp_path / name).write_text("before")

    with pytest.raises(StorageError, match="exists already: choose another name, or --force"):
        export(made, str(tmp_path / name))
    assert (tmp_path / name).read_text() == "before"

    export(made, str(tmp_path / name), force=True)
    assert b"before" not in (tmp_path / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", name]


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.jsonl.gz"])
def test_an_export_that_fails_halfway_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    made = job(tmp_path, [row("a")], [row("b")])
    (tmp_path / "job" / "results" / "part-000001.parquet").write_bytes(b"damaged")
    (tmp_path / name).write_text("before")

    with pytest.raises(JobError, match=r"part-000001.* is damaged"):
        export(made, str(tmp_path / name), force=True)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", name]
    assert (tmp_path / name).read_text() == "before"


def test_no_link_that_lies_there_is_followed(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_text("before")
    for name in (f".partial-{os.getpid()}.csv", f".partial-{os.getpid()}", "out.csv"):
        (tmp_path / name).symlink_to(others)

    export(job(tmp_path, [row()]), str(tmp_path / "out.csv"), force=True)

    assert others.read_text() == "before"
    assert not (tmp_path / "out.csv").is_symlink()
