"""Celery events: sent with `--events` alone, and without a word of what was asked or answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.job_outcomes import assert_unharmed
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished

from askpix.producer.client import Client
from askpix.producer.errors import MessageError
from askpix.producer.rows import Status

CHANNELS = "askpix:/0.celeryev/*"
SIGNATURE = "X-Amz-Signature=5e5e5e"
QUESTION = "what color is the secret?"


@contextmanager
def heard(broker: RedisServer) -> Iterator[list[dict[str, Any]]]:
    """Yields the events that come from now on; what follows them within a channel comes in one list."""
    events: list[dict[str, Any]] = []

    def take(message: dict[str, Any]) -> None:
        body = json.loads(base64.b64decode(json.loads(message["data"])["body"]))
        events.extend(body if isinstance(body, list) else [body])

    with broker.client.pubsub() as channels:  # type: ignore[no-untyped-call]
        channels.psubscribe(**{CHANNELS: take})
        thread = channels.run_in_thread(0.05)
        yield events
        thread.stop()
        thread.join(10)


def kinds(events: list[dict[str, Any]], name: str) -> list[str]:
    """Returns what was told of tasks of one name, in order."""
    ids = {event["uuid"] for event in events if event.get("name") == name}
    of_these = [event for event in events if event.get("uuid") in ids]
    return [event["type"] for event in sorted(of_these, key=lambda event: event["clock"])]


def test_a_worker_without_the_option_sends_none(
    start_worker: Starter, client: Client, broker: RedisServer, pages: HeldServer, folder: Path
) -> None:
    # Given
    with heard(broker) as events:
        worker = start_worker()

        # When: it answers a part, and goes.
        finished(client.submit([pages.put("/quiet.jpg", jpeg())], output=str(folder), model=MODEL))
        worker.close()

    # Then
    assert events == []


def test_with_it_workers_and_tasks_are_seen_and_nothing_of_what_they_are_about(
    start_worker: Starter, client: Client, broker: RedisServer, pages: HeldServer, folder: Path
) -> None:
    # Given: an image with a signed address, one that is not there, and a question.
    signed = f"{pages.put('/signed.jpg', jpeg())}?{SIGNATURE}"
    pages.pages[f"/signed.jpg?{SIGNATURE}"] = pages.pages["/signed.jpg"]
    with heard(broker) as events:
        worker = start_worker("--events")

        # When: a job, an ask with an answer, and one that the worker may not look at.
        finished(client.submit([signed], output=str(folder), model=MODEL, questions=[QUESTION]))
        row = client.ask(signed, QUESTION, model=MODEL).get(timeout=30)
        with pytest.raises(MessageError):
            client.ask("s3://others/x.jpg?" + SIGNATURE, model=MODEL, output="s3://others/out.json").get(timeout=30)
        wait_until(lambda: "task-failed" in kinds(events, "askpix.ask"), within=20, what="the last event")
        worker.close()
        wait_until(lambda: events[-1]["type"] == "worker-offline", within=10, what="the worker's end")

    # Then
    assert row.status is Status.OK
    assert kinds(events, "askpix.part") == ["task-received", "task-started", "task-succeeded"]
    # The end of one may be told after the next has come.
    assert sorted(kinds(events, "askpix.ask")) == [
        *("task-failed", "task-received", "task-received", "task-started", "task-started", "task-succeeded"),
    ]
    assert events[0]["type"] == "worker-online"
    assert {event["hostname"] for event in events} == {worker.name}
    (answered,) = [event for event in events if event["type"] == "task-succeeded" and event["result"] == ""]
    assert 0 < answered["runtime"] < 30
    told = json.dumps(events)
    assert not [word for word in (SIGNATURE, "secret", folder.name, "127.0.0.1", "others", "color") if word in told]
    assert max(len(json.dumps(event)) for event in events) < 1_000


def test_they_go_on_when_connections_to_the_broker_have_broken(
    start_worker: Starter, client: Client, broker: RedisServer, pages: HeldServer, folder: Path
) -> None:
    # Given
    with heard(broker) as events:
        worker = start_worker("--events")

        # When: all but the connection on which we listen are cut.
        broker.client.client_kill_filter(_type="normal", skipme=True)
        finished(client.submit([pages.put("/after.jpg", jpeg())], output=str(folder), model=MODEL))

        # Then
        wait_until(lambda: "task-succeeded" in kinds(events, "askpix.part"), within=30, what="the end of the part")
        assert_unharmed(worker)
        worker.close()
