"""What keeps `askpix run` from doing anything is one clear line on standard error and exit code 2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.disk import fill
from helpers.processes import askpix, the_complaint

from askpix.producer import Question
from askpix.producer.job_folder import JobFolder, PinnedModel
from askpix.producer.job_order import Order
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job
from askpix.worker.local import demo_model
from askpix.worker.models.folder import load_manifest

MODEL = demo_model()


@pytest.fixture
def place(tmp_path: Path, images: Path) -> Path:
    """A folder with a picture, and with everything that can be wrong."""
    shutil.copy(images / "000-bottle.jpg", tmp_path / "one.jpg")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "job-damaged").mkdir()
    (tmp_path / "job-damaged" / "job.json").write_text('{"format": 1, "id"')
    (tmp_path / "job-of-another-version").mkdir()
    (tmp_path / "job-of-another-version" / "job.json").write_text('{"format": 99}')
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param("empty.txt --output job", "no images", id="an empty list"),
        pytest.param("empty --output job", "no images", id="an empty folder"),
        pytest.param("nowhere --output job", "nowhere", id="a missing input"),
        pytest.param("s3://shop/images --output job", "s3://shop/images", id="an input with a wrong URI"),
        pytest.param("one.jpg --output http://shop/job", "http://shop/job", id="an output with a wrong URI"),
        pytest.param("one.jpg --output one.jpg", "one.jpg is a file", id="an output that is a file"),
        pytest.param("one.jpg --output job --model nowhere", "no model folder nowhere", id="an unknown model"),
        pytest.param("one.jpg --output job --model empty", "empty is no model folder", id="a folder that is no model"),
        pytest.param("one.jpg --output job-damaged", "job.json", id="a damaged job"),
        pytest.param("one.jpg --output job-of-another-version", "job.json", id="a job of another version"),
        pytest.param("one.jpg --output job --device TOASTER", "TOASTER", id="a device that is not there"),
        pytest.param(
            "one.jpg --output job --allow-net 10.0.0.0/99", "--allow-net '10.0.0.0/99'", id="a network that is none"
        ),
        pytest.param("one.jpg --output /proc/job", "/proc/job", id="an output that cannot be written"),
    ],
)
def test_it_is_one_line_and_exit_code_2(place: Path, arguments: str, words: str) -> None:
    # When: a model that is named says nothing of itself, so that the line is the only one.
    model = [] if "--model" in arguments else ["--model", str(MODEL)]
    ran = askpix("run", *arguments.split(), *model, cwd=place)

    # Then
    complaint = the_complaint(ran)
    assert words in complaint
    assert "Error" not in complaint


@pytest.mark.parametrize(
    ("questions", "answers_to"),
    [(["--question", "what color is it?"], "other questions"), (["--max-new-tokens", "5"], "other options")],
)
def test_a_folder_that_holds_another_job_is_refused(place: Path, questions: list[str], answers_to: str) -> None:
    # Given: a job that was submitted, with nothing answered yet.
    folder = JobFolder(open_storage(str(place / "job")))
    write_job(["one.jpg"], folder, Order(model=load_manifest(MODEL).name), base=str(place))
    before = (place / "job" / "job.json").read_bytes()

    # When
    ran = askpix("run", "one.jpg", "--output", "job", *questions, "--model", MODEL, cwd=place)

    # Then
    assert "holds another job" in the_complaint(ran)
    assert (place / "job" / "job.json").read_bytes() == before


def test_wrong_options_are_explained_with_the_usage(place: Path) -> None:
    ran = askpix("run", "one.jpg", cwd=place)

    assert (ran.code, ran.out) == (2, "")
    assert "Usage: askpix run" in ran.err
    assert "--output" in ran.err
    assert "Traceback" not in ran.err


# A full disk. ------------------------------------------------------------------------------------


def test_a_disk_that_is_full_from_the_start_is_said(place: Path, small_disk: Path) -> None:
    fill(small_disk)

    ran = askpix("run", "one.jpg", "--output", small_disk / "job", "--model", MODEL, cwd=place)

    assert "disk is full" in the_complaint(ran)
    assert not (small_disk / "job" / "job.json").exists()


def test_a_disk_that_gets_full_before_the_results_is_said_and_with_room_the_run_carries_on(
    place: Path, small_disk: Path
) -> None:
    # Given: a job that has been submitted and begun, and a disk with no more room.
    manifest = load_manifest(MODEL)
    folder = JobFolder(open_storage(str(small_disk / "job")))
    question = (Question("what is it?"),)
    write_job(["one.jpg"], folder, Order(model=manifest.name, questions=question), base=str(place))
    folder.pin_model(PinnedModel(name=manifest.name, fingerprint=manifest.fingerprint))
    (small_disk / "job" / "results").mkdir()
    filler = fill(small_disk)
    command = ("run", "one.jpg", "--output", small_disk / "job", "--question", "what is it?", "--model", MODEL)

    # When
    ran = askpix(*command, cwd=place)

    # Then: it was tried for a while, and no half of a result is left.
    tried, complaint = [line for line in ran.err.splitlines() if "disk is full" in line]
    assert tried.endswith("it is tried again")
    assert (ran.code, complaint[:8]) == (2, "askpix: ")
    assert list((small_disk / "job" / "results").iterdir()) == []

    # And when there is room again
    filler.unlink()
    assert askpix(*command, cwd=place).code == 0
    assert len(list((small_disk / "job" / "results").iterdir())) == 1
