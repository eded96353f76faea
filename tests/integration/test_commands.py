"""The smaller commands, and what every command says of itself."""

from __future__ import annotations

import csv
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers.processes import Ran, askpix, the_complaint

from askpix.producer import Job
from askpix.worker.local import LocalSystem, demo_model


@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "export",
        "worker",
        "devices",
        "config",
        "config check",
        "config show",
        "model",
        *(f"model {name}" for name in ("convert", "quantize", "compare", "info")),
    ],
    ids=lambda name: name or "askpix",
)
def test_help_fits_80_columns(command: str, tmp_path: Path) -> None:
    ran = askpix(*command.split(), "--help", cwd=tmp_path, env={"COLUMNS": "200"})

    assert ran.code == 0
    assert ran.out.startswith("Usage: askpix")
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert askpix("--version", cwd=tmp_path) == Ran(0, f"askpix {version('askpix')}\n", "")


def test_devices_names_the_cpu_and_what_it_computes_in(tmp_path: Path) -> None:
    ran = askpix("devices", cwd=tmp_path)

    assert (ran.code, ran.err) == (0, "")
    told = {line[:13].strip(): line[13:].strip() for line in ran.out.splitlines()}
    assert told["CPU"]
    assert "FP32" in told["can do"].split()
    assert told["computes in"].split(",")[0] in ("f32", "bf16", "f16")
    assert told["worker"] == "askpix worker --device CPU"
    assert "AUTO takes the best of: " in ran.out


def test_devices_fits_a_narrow_terminal(tmp_path: Path) -> None:
    ran = askpix("devices", cwd=tmp_path, env={"COLUMNS": "60"})

    assert max(map(len, ran.out.splitlines())) <= 60


@pytest.fixture
def job(system: LocalSystem, workplace: Path, images: Path) -> Path:
    """A finished job of one good item and a bad one, with two questions."""
    job = system.client.submit(
        [str(images / "000-bottle.jpg"), str(images / "no.jpg")],
        output=str(workplace / "to-export"),
        model=system.model,
        questions=["what is it?", "what color is it?"],
    )
    system.wait(job, timeout=60)
    return workplace / "to-export"


def test_export_to_csv_has_a_line_for_each_answer_and_each_failure(job: Path, tmp_path: Path) -> None:
    # When
    ran = askpix("export", job, "--to", "out.csv", cwd=tmp_path)

    # Then
    assert (ran.code, ran.out) == (0, "")
    assert "out.csv: 2 items" in ran.err
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["status"], line["question"], line["error_code"]) for line in lines] == [
        ("ok", "what is it?", ""),
        ("ok", "what color is it?", ""),
        ("error", "", "file_not_found"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_export_to_jsonl_has_a_line_for_each_item(job: Path, tmp_path: Path) -> None:
    ran = askpix("export", job, "--to", "out.jsonl", cwd=tmp_path)

    assert (ran.code, ran.out) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = list(Job.open(str(job)).results())
    assert [line["id"] for line in lines] == [row.id for row in rows]
    assert [[answer["text"] for answer in line["answers"]] for line in lines] == [
        [answer.text for answer in row.answers] for row in rows
    ]
    assert lines[1]["error_message"] == rows[1].error_message


def test_a_run_of_a_finished_job_says_so_and_does_nothing(tmp_path: Path, images: Path) -> None:
    # Given
    command = ("run", images / "000-bottle.jpg", "--output", "job", "--model", demo_model())
    assert askpix(*command, cwd=tmp_path).code == 0
    result = tmp_path / "job" / "results" / "part-000000.parquet"
    before = result.stat().st_mtime_ns

    # When
    again = askpix(*command, cwd=tmp_path)

    # Then
    assert again.code == 0
    assert "complete already" in again.err
    assert result.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param("--model nowhere", "no model folder nowhere", id="model"),
        pytest.param("--model {model} --device TOASTER", "TOASTER", id="device"),
        pytest.param("--model {model} --allow-net 10.0.0.0/99", "10.0.0.0/99", id="network"),
        pytest.param("--model {model} --broker nonsense", "broker URL", id="broker"),
        pytest.param("--model {model} --files-root s3://shop", "s3://shop", id="files root"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(arguments: str, words: str, tmp_path: Path) -> None:
    options = arguments.format(model=demo_model()).split()
    ran = askpix("worker", "--storage-root", ".", *options, cwd=tmp_path, timeout=60)

    assert words in the_complaint(ran)


def test_run_tries_failed_items_of_a_complete_job_again(images: Path, tmp_path: Path) -> None:
    # Given: a list of a picture that is there, one that is not yet, and one that is none.
    (tmp_path / "list.txt").write_text("there.jpg\nlater.jpg\nbroken.jpg\n")
    shutil.copy(images / "001-mug.jpg", tmp_path / "there.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    command = ("run", "list.txt", "--output", "job")
    first = askpix(*command, cwd=tmp_path)
    assert first.code == 1
    assert "Next:    the same command with --retry" in first.err

    # When
    shutil.copy(images / "000-bottle.jpg", tmp_path / "later.jpg")
    again = askpix(*command, cwd=tmp_path)
    retried = askpix(*command, "--retry", cwd=tmp_path)
    once_more = askpix(*command, "--retry", cwd=tmp_path)

    # Then
    assert "nothing was left to do. With --retry, failed items are tried again." in again.err
    assert "3 items: 2 ok, 1 failed" in retried.err
    assert "1 x not_an_image" in retried.err
    assert [row.attempts for row in Job.open(str(tmp_path / "job")).results()] == [1, 2, 1]
    assert (once_more.code, "None of the failed items is likely to go well now." in once_more.err) == (1, True)


def test_watch_needs_no_broker_for_a_job_that_has_ended(images: Path, tmp_path: Path) -> None:
    assert askpix("run", images, "--output", "job", cwd=tmp_path).code == 0

    ran = askpix("watch", "job", "--broker", "redis://127.0.0.1:1/0", cwd=tmp_path)

    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("48 items: 48 ok, 0 failed\n")
