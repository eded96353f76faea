"""Whoever asked for it is told once that a job has ended, and once for each round, by a worker that may."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished

from askpix.producer.client import Client
from askpix.producer.errors import InputError

ALLOWED = "shop.done@shop-events"
OTHER = "shop.other@other-events"


@pytest.fixture(scope="module", autouse=True)
def workers(start_worker: Starter) -> list[WorkerProcess]:
    """One that may send a task, and one that may not."""
    return [start_worker("--allow-notify", ALLOWED), start_worker()]


def told(broker: RedisServer, queue: str = "shop-events") -> list[tuple[str, dict[str, Any]]]:
    """Returns the tasks that wait in a queue, the oldest first: names and arguments."""
    found = []
    for text in reversed(broker.client.lrange(f"askpix:{queue}", 0, -1)):
        message = json.loads(text)
        (payload,), _, _ = json.loads(base64.b64decode(message["body"]))
        found.append((message["headers"]["task"], payload))
    return found


@pytest.fixture(autouse=True)
def no_one_was_told(broker: RedisServer) -> None:
    broker.client.delete("askpix:shop-events", "askpix:other-events")


def test_once_at_the_end_and_once_for_each_round(
    client: Client, pages: HeldServer, broker: RedisServer, folder: Path
) -> None:
    # Given
    good, busy = pages.put(f"/{folder.name}", jpeg()), pages.put("/busy", Page(status=503))
    job = client.submit([good, good, busy], output=str(folder), model=MODEL, notify=ALLOWED, part_size=1)
    about = {"v": 1, "job": str(folder), "id": job.spec.id, "items": 3}
    wait_until(lambda: client.jobs() == [], within=30, what="the end of the job")
    first = ("shop.done", {**about, "round": 0, "ok": 2, "failed": 1})
    assert told(broker) == [first]

    # When the same is done again: nothing has ended anew.
    job.resume()
    wait_until(lambda: client.jobs() == [], within=30, what="the end of the job")
    assert told(broker) == [first]

    # When a round is done
    pages.put("/busy", jpeg())
    job.retry()
    wait_until(lambda: client.jobs() == [], within=30, what="the end of the round")
    assert told(broker) == [first, ("shop.done", {**about, "round": 1, "ok": 3, "failed": 0})]


def test_a_celery_consumer_understands_it(client: Client, pages: HeldServer, broker: RedisServer, folder: Path) -> None:
    client.submit([pages.put("/c", jpeg())], output=str(folder), model=MODEL, notify=ALLOWED)
    wait_until(lambda: client.jobs() == [], within=30, what="the end of the job")

    app = Celery(broker=broker.url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
    with app.connection_for_read() as connection, connection.SimpleQueue("shop-events") as queue:
        message = queue.get(timeout=5)
        message.ack()
    app.close()

    assert message.headers["task"] == "shop.done"
    assert message.payload[0][0]["job"] == str(folder)


def test_a_task_that_no_worker_allows_is_not_sent(
    client: Client, pages: HeldServer, broker: RedisServer, folder: Path
) -> None:
    # Given: a job that wants a task that none allows, and after it one that wants another.
    url = pages.put("/n", jpeg())
    finished(client.submit([url], output=str(folder / "first"), model=MODEL, notify=OTHER))
    second = client.submit([url], output=str(folder / "second"), model=MODEL, notify=ALLOWED)
    finished(second)

    # When workers have looked at both
    wait_until(lambda: len(told(broker)) == 1, within=30, what="the second notification")

    # Then
    assert told(broker, "other-events") == []
    assert not (folder / "first" / "control").exists()


def test_a_task_that_no_worker_allows_is_counted_as_refused_in_the_end(
    client: Client, pages: HeldServer, broker: RedisServer, folder: Path, workers: list[WorkerProcess]
) -> None:
    client.submit([pages.put("/s", jpeg())], output=str(folder), model=MODEL, notify=OTHER)

    wait_until(lambda: client.refused().get("notify") == 1, within=120, what="a refusal")

    wait_until(lambda: client.jobs() == [], within=10, what="the job taken off the list")
    assert told(broker, "other-events") == []
    line = f"{folder} asks for the task {OTHER}, which is not among --allow-notify"
    assert any(line in worker.log for worker in workers)


@pytest.mark.parametrize("target", ["rm -rf /", "askpix.part", "celery.chord", "@queue", "task@two words"])
def test_what_names_no_task_is_refused_at_submit(
    target: str, client: Client, broker: RedisServer, folder: Path, tmp_path: Path, images: Path
) -> None:
    with pytest.raises(InputError):
        client.submit(["https://shop.example/x.jpg"], output=str(folder), model=MODEL, notify=target)
    assert not folder.exists()

    ran = askpix(
        "submit", images, "--output", folder, "--model", MODEL, "--notify", target, cwd=tmp_path, env=broker.environment
    )
    complaint = the_complaint(ran)
    assert target in complaint or "name a task of your own" in complaint
