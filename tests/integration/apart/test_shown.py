"""What the commands show, at 80 columns, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import Launcher, Ran, askpix, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client
from askpix.producer.followed import Job

NARROW = {"COLUMNS": "80"}


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter) -> WorkerProcess:
    return start_worker()


@pytest.fixture
def env(broker: RedisServer) -> dict[str, str]:
    return {**broker.environment, **NARROW}


@pytest.fixture
def held(client: Client, pages: HeldServer, folder: Path) -> Job:
    """A job in work, of which one image of three is answered."""
    names = [f"/{folder.name}-{number}" for number in range(3)]
    pages.hold(*names[1:])
    job = client.submit(pages.put_many(names, jpeg()), output=str(folder), model=MODEL, part_size=1)
    wait_until(lambda: job.progress().parts_done == 1, within=20, what="one image answered")
    return job


COMMANDS = (
    *("run", "submit", "watch", "status", "jobs", "retry", "pause", "resume", "cancel", "export", "dead", "ask"),
    *("worker", "devices", "model"),
)


def test_help_lists_all_commands_and_fits_80_columns(tmp_path: Path) -> None:
    ran = askpix("--help", cwd=tmp_path, env=NARROW)

    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    for command in COMMANDS:
        assert f"\n  {command} " in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_fits_80_columns(command: str, tmp_path: Path) -> None:
    ran = askpix(command, "--help", cwd=tmp_path, env=NARROW)

    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "Usage: askpix " in ran.out


def test_jobs_shows_active_jobs_and_live_workers(
    held: Job, env: dict[str, str], worker: WorkerProcess, tmp_path: Path
) -> None:
    shown = askpix("jobs", cwd=tmp_path, env=env)
    told = json.loads(askpix("jobs", "--json", cwd=tmp_path, env=env).out)

    assert shown.code == 0
    head, job, workers, one, *rest = [line for line in shown.out.splitlines() if line.startswith((*"jwa", "/"))]
    assert head.split() == ["job", "state", "done", "items", "failed", "parts", "left"]
    assert "running" in job
    assert workers.split() == ["worker", "model", "device", "precision", "parts", "asks"]
    assert one.split()[:3] == [worker.name, MODEL, "CPU"]
    assert rest == []
    assert [entry["job"] for entry in told["jobs"]] == [held.folder.uri]
    assert [entry["name"] for entry in told["workers"]] == [worker.name]
    assert told["refused"] == {}


def test_status_shows_one_reading(held: Job, env: dict[str, str], worker: WorkerProcess, tmp_path: Path) -> None:
    shown = askpix("status", held.folder.uri, cwd=tmp_path, env=env)
    told = json.loads(askpix("status", held.folder.uri, "--json", cwd=tmp_path, env=env).out)

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        f"{held.folder.uri} ({MODEL})",
        "running: 1 of 3 items, 1 of 3 parts",
        "1 ok, 0 failed",
    ]
    known = {
        "job": held.folder.uri,
        "id": held.spec.id,
        "model": MODEL,
        "device": None,
        "broker": "ok",
        "served": True,
        "unserved": None,
        "counted": True,
    }
    counts = {"state": "running", "items": 3, "done": 1, "ok": 1, "failed": 0, "cached": 0, "parts": 3, "parts_done": 1}
    (latest,) = told.pop("latest")
    assert (latest["id"].endswith("-0"), bool(latest["text"]), latest["code"]) == (True, True, None)
    assert told.pop("workers") == {worker.name: 1}
    rest = {"round": 0, "finished": False, "error": None, "warning": None, "passing": False, "codes": {}}
    assert told == {**known, **counts, **rest}


def watched(job: Job, env: dict[str, str], cwd: Path) -> Ran:
    return askpix("watch", job.folder.uri, cwd=cwd, env=env)


def test_watch_ends_with_0_when_all_is_answered(
    held: Job, pages: HeldServer, env: dict[str, str], tmp_path: Path, launch: Launcher
) -> None:
    running = launch("watch", held.folder.uri, "--broker", env["ASKPIX_BROKER_URL"], cwd=tmp_path)
    assert running.process.poll() is None
    pages.let_go()

    ran = running.end()

    assert (ran.code, ran.out) == (0, "")
    assert "3 items: 3 ok, 0 failed" in ran.err
    assert f"Next: askpix export {held.folder.uri} --to answers.csv" in ran.err


def test_watch_ends_with_1_when_some_have_an_error_and_says_which(
    client: Client, pages: HeldServer, folder: Path, env: dict[str, str], tmp_path: Path
) -> None:
    urls = [pages.put("/good", jpeg()), pages.put("/gone", Page(status=410)), pages.put("/busy", Page(status=503))]
    job = finished(client.submit(urls, output=str(folder), model=MODEL))

    ran = watched(job, env, tmp_path)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        "3 items: 1 ok, 2 failed",
        f"  1 x http_410, such as {urls[1]}: the server answered 410 Gone",
        f"  1 x http_503, such as {urls[2]}: the server answered 503 Service Unavailable",
        f"Next: askpix retry {folder}",
        f"Next: askpix export {folder} --to answers.csv",
    ]


def test_watch_ends_with_2_when_a_part_cannot_be_done_and_resume_helps(
    client: Client, pages: HeldServer, folder: Path, env: dict[str, str], tmp_path: Path
) -> None:
    # Given: a job of which a file is lost when it is in work.
    urls = pages.put_many([f"/{folder.name}-{number}" for number in range(2)], jpeg())
    job = client.submit(urls, output=str(folder), model=MODEL)
    finished(job)
    part = folder / "input" / f"part-000000.{job.spec.id}.parquet"
    kept = part.read_bytes()
    part.write_bytes(b"damaged")
    (folder / "results" / "part-000000.parquet").unlink()
    job.resume()
    wait_until(lambda: job.progress().error is not None, within=20, what="an error")

    # When
    ran = watched(job, env, tmp_path)

    # Then
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith(f"askpix: {part} is damaged")
    assert f"(then: askpix resume {folder})" in ran.err
    assert "Traceback" not in ran.err

    part.write_bytes(kept)
    assert askpix("resume", folder, cwd=tmp_path, env=env).code == 0
    assert watched(job, env, tmp_path).code == 0


def test_a_model_that_no_worker_serves_is_a_warning(
    env: dict[str, str], images: Path, tmp_path: Path, client: Client, launch: Launcher
) -> None:
    submitted = askpix("submit", images, "--output", "job", "--model", "no-such-model", cwd=tmp_path, env=env)
    assert (submitted.code, submitted.out) == (0, "")
    said = f"No worker serves no-such-model: those that run serve {MODEL}."
    assert f"{said} The job waits for one." in submitted.err
    assert "Next: askpix watch job" in submitted.err

    gpu = askpix("submit", images, "--output", "gpu", "--device", "gpu", cwd=tmp_path, env=env)
    assert f"No worker serves {MODEL} on gpu: it is served on CPU. The job waits for one." in gpu.err

    # What watch says while it waits, and when somebody cancels.
    running = launch("watch", "job", "--broker", env["ASKPIX_BROKER_URL"], cwd=tmp_path)
    assert running.process.stderr is not None
    assert running.process.stderr.readline().strip() == said
    client.job(str(tmp_path / "job")).cancel()
    assert running.end().code == 2


def test_export_writes_what_is_there(held: Job, env: dict[str, str], tmp_path: Path) -> None:
    ran = askpix("export", held.folder.uri, "--to", "answers.jsonl", cwd=tmp_path, env=env)

    assert (ran.code, ran.out) == (0, "")
    assert "1 item; 2 without a result yet" in ran.err
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 1
