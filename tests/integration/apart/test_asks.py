"""Asks: they share the engine's steps, wait for no part, and any Celery client may send them."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import Launcher, askpix, environment, the_complaint, wait_until
from helpers.s3_server import S3Server
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished, leases

from askpix.producer.client import Client
from askpix.producer.errors import MessageError
from askpix.producer.rows import Row, Status

QUESTION = "what color is it?"


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.bucket()


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter, s3: S3Server, bucket: str) -> WorkerProcess:
    return start_worker("--storage-root", f"s3://{bucket}/answers", env=s3.environment)


def test_32_asks_at_once_share_decoding_steps(client: Client, pages: HeldServer, worker: WorkerProcess) -> None:
    # Given: 32 asks under way, each waiting for its image.
    names = [f"/together-{number}" for number in range(32)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    before = worker.counters(client)
    asks = [client.ask(url, model=MODEL) for url in urls]
    wait_until(lambda: set(names) <= set(pages.came), within=9, what="all 32 under way at once")

    # When
    pages.let_go()
    rows = [ask.get(timeout=30) for ask in asks]

    # Then: at least four rows in each step, where one after the other would be one.
    assert {row.status for row in rows} == {Status.OK}
    assert len({row.answers for row in rows}) == 1
    after = worker.counters(client)
    steps, decoded = (after[name] - before[name] for name in ("caption_steps", "caption_rows"))
    assert decoded >= 32 * rows[0].answers[0].tokens
    assert steps * 4 <= decoded, f"{decoded} rows in {steps} steps"


def test_an_ask_is_answered_before_any_running_part_ends(
    client: Client, pages: HeldServer, worker: WorkerProcess, broker: RedisServer, images: Path, folder: Path
) -> None:
    # Given: as many parts in work as a worker takes, and more of them queued.
    names = [f"/{folder.name}-{number}" for number in range(12)]
    pages.hold(*names)
    job = client.submit(pages.put_many(names, jpeg()), output=str(folder), model=MODEL, part_size=2)
    wait_until(lambda: set(names[:4]) <= set(pages.came), within=20, what="two parts in work")

    # When
    row = client.ask(str(images / "000-bottle.jpg"), QUESTION, model=MODEL).get(timeout=30)

    # Then
    assert row.status is Status.OK
    assert (leases(broker, job), job.progress().parts_done, broker.waiting()) == (2, 0, 4)
    pages.let_go()
    assert {row.status for row in finished(job).results()} == {Status.OK}


def test_an_ask_overtakes_parts_that_keep_the_engine_busy(client: Client, images: Path, folder: Path) -> None:
    # Given: a job that has the engine answer, with one part beginning when another ends.
    pictures = sorted(map(str, images.glob("*.jpg")))
    job = client.submit(
        [picture for picture in pictures for _ in range(20)], output=str(folder), model=MODEL, part_size=len(pictures)
    )
    wait_until(lambda: job.progress().done > 0, within=20, what="a job in work")

    # When
    row = client.ask(pictures[0], model=MODEL).get(timeout=30)
    progress = job.progress()

    # Then: it did not wait for the job, and shared the engine with it.
    assert row.status is Status.OK
    assert not progress.finished
    rows = list(finished(job, within=120).results())
    assert {answer.text for rows_of in rows[:20] for answer in rows_of.answers} == {row.answers[0].text}


PLAIN = """
import json, sys
from celery import Celery

url, message = sys.argv[1], json.loads(sys.argv[2])
app = Celery(broker=url, backend=url)
app.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
app.conf.result_backend_transport_options = {"global_keyprefix": "askpix:"}
try:
    told = app.send_task("askpix.ask", [message], queue="askpix-demo.ask").get(timeout=30)
except Exception as error:
    told = {"error": type(error).__name__, "said": str(error), "traceback": getattr(error, "traceback", None)}
assert not [name for name in sys.modules if name.startswith("askpix")]
print(json.dumps(told))
"""


def sent_by_celery_alone(broker: RedisServer, message: dict[str, Any], cwd: Path) -> dict[str, Any]:
    """Returns what a program is told that knows nothing but Celery."""
    command = [sys.executable, "-I", "-c", PLAIN, broker.url, json.dumps(message)]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_any_celery_client_may_ask(broker: RedisServer, client: Client, images: Path, tmp_path: Path) -> None:
    image = str(images / "000-bottle.jpg")

    told = sent_by_celery_alone(broker, {"v": 1, "model": MODEL, "image": image, "questions": [QUESTION]}, tmp_path)

    row = client.ask(image, QUESTION, model=MODEL).get(timeout=30)
    assert (told["status"], told["image"]) == ("ok", image)
    (answer,) = told["answers"]
    assert (answer["question"], answer["text"]) == (QUESTION, row.answers[0].text)
    assert 0 < answer["confidence"] <= 1


def test_a_caption_needs_no_more_than_model_and_image(broker: RedisServer, images: Path, tmp_path: Path) -> None:
    image = str(images / "000-bottle.jpg")

    told = sent_by_celery_alone(broker, {"v": 1, "model": MODEL, "image": image}, tmp_path)

    assert [answer["kind"] for answer in told["answers"]] == ["caption"]
    assert "bottle" in told["answers"][0]["text"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown model": ({"model": "other"}, "does not hold the model other"),
    "an unknown key": ({"shell": "rm"}, "shell: Extra inputs are not permitted"),
    "another version": ({"v": 2}, "v: Input should be 1"),
    "an unknown option": ({"options": {"beams": 4}}, "options.beams: Extra inputs are not permitted"),
    "an output elsewhere": ({"output": "/etc/answer.json"}, "outside this worker's storage roots"),
    "no image": ({"image": None}, "it shows no image"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_ask_raises_at_its_sender_with_the_reason_alone(
    what: str, broker: RedisServer, worker: WorkerProcess, images: Path, root: Path, tmp_path: Path
) -> None:
    changes, reason = REFUSED[what]

    told = sent_by_celery_alone(
        broker, {"v": 1, "model": MODEL, "image": str(images / "000-bottle.jpg"), **changes}, tmp_path
    )

    assert told["error"] == "MessageError"
    assert reason in told["said"]
    assert told["traceback"] is None
    for inside in (str(root), "site-packages", "worker/askpix", "Traceback", ".py"):
        assert inside not in told["said"]
    assert "Traceback" not in worker.wait_for_log("a message was refused", reason)


def test_a_refused_ask_is_our_own_error_to_our_own_client(client: Client, images: Path) -> None:
    ask = client.ask(str(images / "000-bottle.jpg"), QUESTION, model=MODEL, output="/etc/answer.json")

    with pytest.raises(MessageError, match="outside this worker's storage roots"):
        ask.get(timeout=30)


def test_a_broker_that_is_lost_while_an_answer_is_awaited_is_one_clear_line(
    images: Path, tmp_path: Path, launch: Launcher
) -> None:
    # Given: an ask that no worker takes.
    broker = RedisServer(tmp_path)
    running = launch("ask", images / "000-bottle.jpg", "--model", MODEL, "--broker", broker.url, cwd=tmp_path)
    wait_until(lambda: broker.waiting(f"{MODEL}.ask") == 1, within=20, what="an ask on its way")

    # When
    broker.close()
    ran = running.end()

    # Then
    assert (ran.code, ran.out) == (2, "")
    note, complaint = ran.err.splitlines()
    assert note == f"No worker serves {MODEL}: none is running. Waiting for one."
    assert complaint.startswith("askpix: the broker does not answer: ")


def test_an_image_that_fails_is_a_row(client: Client, pages: HeldServer) -> None:
    url = pages.put("/busy", Page(status=503))

    row = client.ask(url, QUESTION, model=MODEL).get(timeout=30)

    assert (row.status, row.error_code, row.retryable) == (Status.ERROR, "http_503", True)


@pytest.fixture(params=["a folder", "S3"])
def output(request: pytest.FixtureRequest, folder: Path, bucket: str) -> str:
    return str(folder / "answer.json") if request.param == "a folder" else f"s3://{bucket}/answers/{folder.name}.json"


def test_the_result_is_also_written_where_the_ask_says(output: str, client: Client, s3: S3Server, images: Path) -> None:
    row = client.ask(str(images / "000-bottle.jpg"), QUESTION, model=MODEL, output=output).get(timeout=30)

    written = json.loads(s3.get(output) if output.startswith("s3:") else Path(output).read_bytes())
    assert written["status"] == "ok"
    assert written["answers"][0]["text"] == row.answers[0].text
    assert written["sha256"] == row.sha256
    assert "base64" not in json.dumps(written)


def test_the_command_prints_the_answer_and_nothing_else(
    broker: RedisServer, client: Client, images: Path, tmp_path: Path
) -> None:
    env = broker.environment
    picture = images / "000-bottle.jpg"

    asked = askpix("ask", picture, QUESTION, cwd=tmp_path, env=env)
    captioned = askpix("ask", picture, "--json", cwd=tmp_path, env=env)
    chosen = askpix("ask", picture, "what is it?", "--choice", "bottle", "--choice", "mug", cwd=tmp_path, env=env)
    missing = askpix("ask", "https://no-such-host.invalid/x.jpg", "--model", MODEL, cwd=tmp_path, env=env)
    refused = askpix("ask", picture, "--output", "/etc/answer.json", cwd=tmp_path, env=env)

    row = client.ask(str(picture), QUESTION, model=MODEL).get(timeout=30)
    assert (asked.code, asked.out, asked.err) == (0, f"{row.answers[0].text}\n", "")
    assert json.loads(captioned.out)["answers"][0]["kind"] == "caption"
    assert (chosen.code, chosen.out) == (0, "bottle\n")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err.count("\n") == 1
    assert "outside this worker's storage roots" in the_complaint(refused)


def test_asks_of_many_threads_are_each_answered_by_their_own_row(
    client: Client, images: Path, worker: WorkerProcess
) -> None:
    pictures = sorted(map(str, images.glob("*.jpg")))[:24]
    singly = {picture: client.ask(picture, QUESTION, model=MODEL).get(timeout=30) for picture in pictures[:4]}

    with ThreadPoolExecutor(8) as pool:
        rows: list[Row] = list(pool.map(lambda p: client.ask(p, QUESTION, model=MODEL).get(timeout=30), pictures))

    assert [row.answers for row in rows[:4]] == [row.answers for row in singly.values()]
    assert len({row.sha256 for row in rows}) == len(pictures)
