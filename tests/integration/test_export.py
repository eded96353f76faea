"""`askpix export`: what it says, what it refuses in one line, and pipes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.processes import ASKPIX, Ran, askpix, environment, the_complaint
from helpers.rows import failed_row, ok_row
from helpers.s3_server import S3Server, using

from askpix.producer import Job
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import Storage
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job

IDS = ["1/mug.jpg", "1/mug.png", "bag.jpg", "cup.jpg", "hat.jpg"]


def write(storage: Storage) -> None:
    """Writes a job of three parts, of which the last has no result yet."""
    folder = JobFolder(storage)
    write_job(IDS, folder, Order(model="m", part_size=2), base="/shop")
    folder.write_result(0, [replace(ok_row(name), image=f"/shop/{name}") for name in IDS[:2]])
    folder.write_result(1, [ok_row("bag.jpg"), failed_row("cup.jpg")])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with such a job."""
    write(open_storage(str(tmp_path / "job")))
    return tmp_path


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.jsonl", "out.ndjson.gz", "out.parquet"])
def test_a_file_is_written_and_said(place: Path, name: str) -> None:
    ran = askpix("export", "job", "--to", name, cwd=place)

    assert ran == Ran(0, "", f"{name}: 4 items; 1 without a result yet\n")
    assert sorted(path.name for path in place.iterdir()) == sorted(["job", name])


def test_text_files_are_written_and_counted(place: Path) -> None:
    ran = askpix("export", "job", "--to", "captions/", cwd=place)

    assert ran == Ran(
        0,
        "",
        "captions/: 3 text files for 4 items; none for 1 without an answer; "
        "1 with a number at the end, as the name was taken; 1 without a result yet\n",
    )
    found = sorted(str(path.relative_to(place / "captions")) for path in (place / "captions").rglob("*.txt"))
    assert found == ["1/mug-2.txt", "1/mug.txt", "bag.txt"]


def test_lines_go_to_standard_output_and_all_else_does_not(place: Path) -> None:
    ran = askpix("export", "job", "--to", "-", cwd=place)

    assert (ran.code, ran.err) == (0, "standard output: 4 items; 1 without a result yet\n")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == IDS[:4]


def test_a_reader_that_goes_early_ends_it_quietly(place: Path) -> None:
    # Given: more than a pipe holds.
    folder = JobFolder(open_storage(str(place / "job")))
    folder.write_result(2, [ok_row(f"{n}.jpg") for n in range(5_000)])

    # When
    program = f"{ASKPIX} export job --to - | head -n 1"
    done = subprocess.run(
        ["bash", "-c", program], cwd=place, env=environment(), capture_output=True, text=True, timeout=60
    )

    # Then
    assert json.loads(done.stdout)["id"] == IDS[0]
    assert done.stderr == ""


def test_a_full_disk_behind_standard_output_is_said(place: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [ASKPIX, "export", "job", "--to", "-"],
            cwd=place,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize("to", ["out.csv", "captions/"])
def test_what_is_there_is_replaced_only_by_force(place: Path, to: str) -> None:
    assert askpix("export", "job", "--to", to, cwd=place).code == 0

    ran = askpix("export", "job", "--to", to, cwd=place)

    assert "exists already" in the_complaint(ran)
    assert "--force" in ran.err
    assert askpix("export", "job", "--to", to, "--force", cwd=place).code == 0


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("out.xlsx", "cannot export to 'out.xlsx': names of files end in .csv, .tsv, .jsonl"),
        ("s3://shop/out.csv", "export to a file here and copy that to S3"),
        ("job", "is a job folder"),
        ("job/results/all.parquet", "among the job's own files"),
        ("no/out.csv", "no/out.csv cannot be written: no such file or directory"),
        ("", "is no path"),
    ],
)
def test_what_cannot_be_written_is_one_line(place: Path, to: str, words: str) -> None:
    assert words in the_complaint(askpix("export", "job", "--to", to, cwd=place))


def test_a_target_of_terminal_escapes_is_said_without_them(place: Path) -> None:
    ran = askpix("export", "job", "--to", "\x1b[2J.csv", cwd=place)

    assert ran.code == 0
    assert "\x1b" not in ran.err


def test_a_job_on_s3_is_exported_here(s3: S3Server, tmp_path: Path) -> None:
    # Given
    s3.client.create_bucket(Bucket="to-export")
    with using(s3.environment):
        write(open_storage("s3://to-export/jobs/spring"))
        files = Job.open("s3://to-export/jobs/spring").files()
    assert files == [f"s3://to-export/jobs/spring/results/part-00000{n}.parquet" for n in (0, 1)]

    # When
    ran = askpix("export", "s3://to-export/jobs/spring", "--to", "out.parquet", cwd=tmp_path, env=s3.environment)

    # Then
    assert ran == Ran(0, "", "out.parquet: 4 items; 1 without a result yet\n")
