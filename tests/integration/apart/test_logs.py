"""What workers log while they work: JSON that says what it is about, without secrets, that nobody forges."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.http_server import closed_port
from helpers.pictures import jpeg
from helpers.processes import askpix, wait_until
from helpers.system import MODEL, RedisServer, WorkerProcess, finished
from kombu.utils.uuid import uuid
from pydantic import SecretStr

from askpix.producer import Client, Item
from askpix.producer.broker import celery_app
from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.rows import Status

SECRETS = {"broker": "of-the-broker-7x/", "proxy": "of-the-proxy-7x@", "url": "of-the-url-7x", "key": "of-the-key-7x"}
HOSTILE = 'evil\n2026-01-01 00:00:00,000 INFO forged {"level": "info", "forged": true}\x1b[2J'

Start = Callable[..., WorkerProcess]


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that refuses connections."""
    with closed_port() as port:
        yield port


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A broker with a password."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.client.config_set("requirepass", SECRETS["broker"])
    server.url = f"redis://:of-the-broker-7x%2F@127.0.0.1:{server.port}/0"
    server.environment = {"ASKPIX_BROKER_URL": server.url}
    yield server
    server.close()


@pytest.fixture
def start(guarded: RedisServer, tmp_path: Path, root: Path) -> Iterator[Start]:
    """Starts a worker that logs JSON; returns when it lives."""
    started: list[WorkerProcess] = []
    own = ("--storage-root", root, "--files-root", root, "--log-level", "debug")

    def start(*options: str, env: dict[str, str] | None = None) -> WorkerProcess:
        worker = WorkerProcess(guarded, tmp_path / f"log-{len(started)}", *own, *options, env=env)
        started.append(worker)
        with Client(guarded.url) as client:
            wait_until(lambda: bool(client.workers()), within=60, what=f"a live worker:\n{worker.log}")
        return worker

    yield start
    for worker in started:
        worker.close()


def lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    """Returns the objects of a log, each line of which has to be one."""
    found = [json.loads(line) for line in worker.log.splitlines()]
    assert all({"time", "level", "message", "logger", "pid"} <= line.keys() for line in found)
    return found


def test_lines_say_which_job_part_and_item_they_are_about(start: Start, guarded: RedisServer, root: Path) -> None:
    # Given: two jobs of two parts, with images that are not there.
    worker = start("--log-json")
    (root / "good.jpg").write_bytes(jpeg())
    with Client(guarded.url) as client:
        jobs = []
        for name in ("first", "second"):
            items = [Item(image=str(root / f"no-{n}.jpg"), id=f"{name}-{n}") for n in range(3)]
            items.append(Item(image=str(root / "good.jpg"), id=f"{name}-good"))
            jobs.append(client.submit(items, output=str(root / name), model=MODEL, part_size=2))

        # When
        for job in jobs:
            finished(job)
        asked = client.ask("http://127.0.0.1/no.jpg", "what is it?", model=MODEL).get(timeout=30)
    assert asked.status is Status.ERROR
    worker.close()

    # Then
    logged = lines(worker)
    for name in ("first", "second"):
        of_job = [line for line in logged if line.get("job") == str(root / name)]
        missing = {line["item"]: line for line in of_job if "file_not_found" in line["message"]}
        assert {item: line["part"] for item, line in missing.items()} == {
            f"{name}-0": 0,
            f"{name}-1": 0,
            f"{name}-2": 1,
        }
        done = {line["part"]: line for line in of_job if line["message"].endswith("is done")}
        assert sorted(done) == [0, 1]
        assert all(line["round"] == 0 for line in done.values())
        assert missing[f"{name}-2"]["task"] == done[1]["task"] != done[0]["task"]
        assert any(line["message"].endswith("has ended: 1 ok, 3 failed") for line in of_job)
    (ask,) = [line for line in logged if line.get("item") == "http://127.0.0.1/no.jpg"]
    assert "task" in ask
    assert "job" not in ask


def test_nobody_forges_a_line(start: Start, guarded: RedisServer, root: Path) -> None:
    # Given
    worker = start("--log-json")
    app = celery_app(SecretStr(guarded.url), results=False)
    app.conf.task_create_missing_queues = True

    # When: an id, a path, a URL of a job, a task's name and its id are hostile.
    with Client(guarded.url) as client:
        item = Item(image=str(root / f"{HOSTILE.replace('/', '')}.jpg"), id=HOSTILE)
        job = finished(client.submit([item], output=str(root / "hostile"), model=MODEL))
    assert [row.id for row in job.results()] == [HOSTILE]
    for message in ({"v": 1, "job": f"/nowhere/{HOSTILE}", "part": 0, "round": 0}, {"v": HOSTILE}, HOSTILE):
        app.send_task(PART_TASK, args=[message], queue=MODEL, task_id=f"{uuid()} {HOSTILE}")
    app.send_task(ASK_TASK, args=[{"v": 1, "model": HOSTILE}], queue=f"{MODEL}.ask")
    app.send_task(f"other.{HOSTILE}", args=[], queue=MODEL)
    app.send_task(PART_TASK, args=[{"v": 1, "job": "/nowhere", "part": 0, "round": 0}], queue=MODEL, task_id="last")
    app.close()
    worker.wait_for_log('"task": "last"')
    worker.close()

    # Then
    assert "forged" in worker.log
    assert all(line.isprintable() for line in worker.log.splitlines())
    assert not any(line.get("forged") or line["message"].startswith("forged") for line in lines(worker))


def test_no_password_and_no_signature_is_ever_logged(
    start: Start, guarded: RedisServer, root: Path, nobody: int, images: Path
) -> None:
    # Given: a proxy with a password that does not answer.
    worker = start(
        "--log-json",
        env={
            "ASKPIX_PROXY": f"http://ann:of-the-proxy-7x%40@127.0.0.1:{nobody}",
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRETS["key"],
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{nobody}",
            "ASKPIX_ITEM_SECONDS": "1",
        },
    )
    signed = f"https://shop.example/a.jpg?X-Amz-Credential=AKIA&X-Amz-Signature={SECRETS['url']}"
    urls = [
        signed,
        f"https://ann:{SECRETS['url']}@shop.example/a.jpg",
        f"http://shop.example/?{SECRETS['url']}",
    ]

    # When: signed URLs fail, an output on S3 fails, and the broker goes away for a moment.
    with Client(guarded.url) as client:
        finished(client.submit(urls, output=str(root / "signed"), model=MODEL))
        client.ask(signed, "what?", model=MODEL).get(timeout=60)
    guarded.client.client_kill_filter(_type="normal", skipme=True)
    with Client(guarded.url) as client:
        finished(client.submit([str(images / "000-bottle.jpg")], output=str(root / "after"), model=MODEL))
    worker.close()

    # Then
    assert sum("shop.example" in line["message"] for line in lines(worker)) >= len(urls)
    for what, secret in SECRETS.items():
        for spelled in (secret, secret.replace("/", "%2F").replace("@", "%40")):
            assert spelled not in worker.log, what


def test_a_worker_whose_broker_is_lost_keeps_its_password_for_itself(start: Start, guarded: RedisServer) -> None:
    worker = start("--log-json")

    guarded.kill()
    try:
        wait_until(lambda: "Error" in worker.log or "error" in worker.log, within=30, what="a line on the broker")
        worker.wait_for_log("Connection refused")
    finally:
        guarded.start()
        guarded.client.config_set("requirepass", SECRETS["broker"])
    worker.close()

    assert "of-the-broker-7x" not in worker.log
    lines(worker)


def test_replicas_and_their_parent_say_who_they_are(start: Start, guarded: RedisServer) -> None:
    # Given
    parent = start("--log-json", "--replicas", "2")
    with Client(guarded.url) as client:
        wait_until(lambda: len(client.workers()) == 2, within=90, what="two live workers")
    log = parent.wait_for_log('"replica": 2', "ready ")

    # When
    victim = next(json.loads(line) for line in log.splitlines() if "ready " in line and '"replica": 2' in line)
    os.kill(victim["pid"], signal.SIGKILL)
    parent.wait_for_log("SIGKILL", "started again")
    parent.close()

    # Then
    logged = lines(parent)
    (ended,) = [line for line in logged if "SIGKILL" in line["message"]]
    assert (ended["replica"], ended["pid"]) == (2, parent.process.pid)
    assert {line["replica"] for line in logged if line["message"].startswith("ready ")} == {1, 2}
    assert all("replica" in line for line in logged)


def test_a_worker_that_cannot_start_says_so_in_its_form(tmp_path: Path) -> None:
    ran = askpix("worker", "--storage-root", ".", "--model", "no\x1bwhere", "--log-json", cwd=tmp_path)

    assert ran.code == 2
    (line,) = [json.loads(line) for line in ran.err.splitlines()]
    assert line["level"] == "critical"
    assert "no model folder" in line["message"]


def test_the_setting_does_as_the_option_does_and_the_option_of_run_is_for_people(tmp_path: Path, images: Path) -> None:
    env = {"ASKPIX_LOG_JSON": "true"}
    worker = askpix("worker", "--storage-root", ".", "--model", "nowhere", cwd=tmp_path, env=env)
    run = askpix("run", images / "000-bottle.jpg", "--output", "job", cwd=tmp_path, env=env)

    assert json.loads(worker.err)["level"] == "critical"
    assert (run.code, "{" in run.err) == (0, False)


@pytest.mark.parametrize("where", ["environment", ".env", "environment, beside a .env that is none"])
def test_a_setting_that_is_wrong_is_said_in_the_form_that_another_asks_for(tmp_path: Path, where: str) -> None:
    # Given
    wanted = {"ASKPIX_LOG_JSON": "true"}
    env = {"ASKPIX_BROKER_PASSWORD_FILE": "/nowhere", **({} if where == ".env" else wanted)}
    if where != "environment":
        (tmp_path / ".env").write_bytes(b"ASKPIX_LOG_JSON=true\n" if where == ".env" else b"\xff\xfe")

    # When
    ran = askpix("worker", "--storage-root", ".", cwd=tmp_path, env=env)

    # Then
    (line,) = [json.loads(line) for line in ran.err.splitlines()]
    assert (ran.code, line["level"]) == (2, "critical")
    assert ("the file .env" if "none" in where else "BROKER_PASSWORD_FILE") in line["message"]


def test_a_form_that_is_none_is_said_for_people(tmp_path: Path) -> None:
    ran = askpix("worker", "--storage-root", ".", cwd=tmp_path, env={"ASKPIX_LOG_JSON": "perhaps"})
    assert (ran.code, ran.err.splitlines()[-1][:32]) == (2, "askpix: ASKPIX_LOG_JSON in the e")
