"""How asks end: with their worker, with a full Redis, and when they were not what they should be."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, Signature
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess

from askpix.producer import AskpixError, Client, MessageError, Status
from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.queues import queue_name

ASKS = queue_name(MODEL, ask=True)


def in_work(client: Client, worker: WorkerProcess) -> int | None:
    info = worker.info(client)
    return None if info is None else info.asks


def held(pages: HeldServer, name: str, number: int) -> tuple[list[str], list[str]]:
    """Returns paths that keep whoever asks for them waiting, and their URLs."""
    names = [f"/{name}-{n}" for n in range(number)]
    pages.hold(*names)
    return names, pages.put_many(names, jpeg())


def test_a_worker_that_is_told_to_end_answers_its_asks(
    client: Client, pages: HeldServer, start_worker: Starter, folder: Path
) -> None:
    # Given
    leaving = start_worker()
    names, urls = held(pages, folder.name, 5)
    asks = [client.ask(url, model=MODEL) for url in urls]
    wait_until(lambda: set(names) <= set(pages.came), within=9, what="five asks in work")

    # When
    leaving.process.send_signal(signal.SIGTERM)
    leaving.wait_for_log("SIGTERM: the worker ends")
    pages.let_go()

    # Then
    assert [ask.get(timeout=20).status for ask in asks] == [Status.OK] * 5
    assert leaving.process.wait(30) == 0


def test_an_ask_is_lost_with_its_worker_and_is_not_done_later(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path
) -> None:
    # Given: an ask in work, and one that waits.
    doomed = start_worker()
    names, (url,) = held(pages, folder.name, 1)
    output = str(folder / "answer.json")
    lost = client.ask(url, model=MODEL, output=output)
    wait_until(lambda: set(names) <= set(pages.came), within=9, what="an ask in work")

    # Then: it has left the broker.
    wait_until(lambda: not broker.client.exists("askpix:unacked"), within=5, what="the ask's end at the broker")

    # When
    doomed.kill()
    pages.let_go()
    again = client.ask(url, model=MODEL, output=output)
    other = start_worker()

    # Then: who asks again is answered, and the lost one is nowhere.
    assert again.get(timeout=20).status is Status.OK
    with pytest.raises(TimeoutError):
        lost.get(timeout=0)
    assert json.loads(Path(output).read_bytes())["status"] == "ok"
    assert (broker.waiting(ASKS), broker.client.exists("askpix:unacked")) == (0, 0)
    other.close()


@pytest.fixture(scope="module")
def worker(start_worker: Starter) -> WorkerProcess:
    return start_worker()


def test_a_full_redis_costs_answers_but_no_slots(
    client: Client, pages: HeldServer, broker: RedisServer, worker: WorkerProcess, images: Path, folder: Path
) -> None:
    # Given: some asks in work when Redis is full.
    names, urls = held(pages, folder.name, 6)
    asks = [client.ask(url, model=MODEL) for url in urls]
    wait_until(lambda: set(names) <= set(pages.came), within=9, what="six asks in work")
    broker.client.config_set("maxmemory", "100kb")
    try:
        pages.let_go()
        said = "the answer to an ask could not be kept: "
        wait_until(lambda: worker.log.count(said) == 6, within=20, what="six answers that found no room")
    finally:
        # When
        broker.client.config_set("maxmemory", "0")

    # Then
    wait_until(lambda: in_work(client, worker) == 0, within=20, what="six slots free again")
    assert not broker.client.exists("askpix:unacked")
    with pytest.raises(TimeoutError):
        asks[0].get(timeout=0)
    assert client.ask(str(images / "000-bottle.jpg"), model=MODEL).get(timeout=20).status is Status.OK


def test_an_ask_that_nobody_begins_in_time_is_told_so(
    client: Client, broker: RedisServer, images: Path, start_worker: Starter
) -> None:
    # Given: an ask on a queue that no worker serves yet.
    queue = queue_name(MODEL, "gpu", ask=True)
    asked = client.ask(str(images / "000-bottle.jpg"), model=MODEL, device="gpu", expires=0.001)
    assert broker.waiting(queue) == 1

    # When: a worker finds it too late.
    broker.client.lmove(f"askpix:{queue}", f"askpix:{ASKS}", "RIGHT", "LEFT")

    # Then
    with pytest.raises(AskpixError, match="has begun in time: ask again"):
        asked.get(timeout=20)


@pytest.fixture
def celery(broker: RedisServer) -> Iterator[Celery]:
    """A Celery client of somebody else's."""
    app = Celery(broker=broker.url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
    yield app
    app.close()


def told(broker: RedisServer, id_: str) -> str | None:
    """Returns what is kept as the result of a task."""
    return broker.client.get(f"askpix:celery-task-meta-{id_}")


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=2)


UNFIT: dict[str, dict[str, Any]] = {
    "to begin later": {"eta": soon},
    "with a time limit": {"time_limit": 5},
    "with another task to follow": {"link": Signature("shop.next")},
    "with a task for failures": {"link_error": Signature("shop.sorry")},
    "compressed": {"compression": "gzip"},
    "in the queue for parts": {"queue": MODEL},
}


@pytest.mark.parametrize("how", UNFIT)
def test_an_ask_that_is_refused_unread_is_told_so(
    how: str, celery: Celery, client: Client, broker: RedisServer, worker: WorkerProcess, images: Path
) -> None:
    before = client.refused()
    message = {"v": 1, "model": MODEL, "image": str(images / "000-bottle.jpg")}
    options = {name: value() if value is soon else value for name, value in UNFIT[how].items()}

    sent = celery.send_task(ASK_TASK, [message], **{"queue": ASKS, **options})

    wait_until(lambda: told(broker, sent.id) is not None, within=20, what="the refusal")
    meta = json.loads(told(broker, sent.id) or "")
    assert (meta["status"], meta["traceback"], meta["result"]["exc_type"]) == ("FAILURE", None, "MessageError")
    assert meta["result"]["exc_module"] == MessageError.__module__
    assert options.get("queue", ASKS) in meta["result"]["exc_message"][0]
    reason = "wrong_queue" if "queue" in options else "malformed"
    assert client.refused() == {**before, reason: before.get(reason, 0) + 1}


def test_a_part_in_the_queue_for_asks_is_refused(
    celery: Celery, client: Client, broker: RedisServer, worker: WorkerProcess, folder: Path
) -> None:
    before = client.refused().get("wrong_queue", 0)

    sent = [celery.send_task(PART_TASK, [{"v": 1, "job": str(folder), "part": n}], queue=ASKS) for n in range(40)]

    wait_until(lambda: client.refused().get("wrong_queue", 0) == before + 40, within=20, what="all refused")
    assert in_work(client, worker) == 0
    assert not any(told(broker, part.id) for part in sent)


def test_parts_that_are_to_begin_later_do_not_begin_at_all(
    celery: Celery, client: Client, worker: WorkerProcess, folder: Path
) -> None:
    before = client.refused().get("malformed", 0)

    for part in range(60):
        celery.send_task(PART_TASK, [{"v": 1, "job": str(folder), "part": part}], queue=MODEL, eta=soon())

    wait_until(lambda: client.refused().get("malformed", 0) == before + 60, within=20, what="all refused")


@pytest.mark.parametrize("timeout", ["nan", "inf", "1e300", "-1", "0"])
def test_a_wait_that_is_none_is_wrong_usage(timeout: str, broker: RedisServer, images: Path, tmp_path: Path) -> None:
    picture = images / "000-bottle.jpg"

    ran = askpix("ask", picture, "--model", MODEL, "--timeout", timeout, cwd=tmp_path, env=broker.environment)

    assert the_complaint(ran).startswith(f"--timeout {float(timeout)}: wait for up to 3600 seconds")
    assert broker.waiting(ASKS) == 0


@pytest.mark.parametrize("device", ["ask", "cup", "a b"])
def test_a_kind_of_device_that_there_is_none_of_is_wrong_usage(
    device: str, broker: RedisServer, images: Path, folder: Path, tmp_path: Path
) -> None:
    own: tuple[str | Path, ...] = (images / "000-bottle.jpg", "--model", MODEL, "--device", device)

    for words in (("ask", *own), ("submit", *own, "--output", folder)):
        ran = askpix(*words, cwd=tmp_path, env=broker.environment)

        assert the_complaint(ran) == f"{device!r} is no kind of device: it is cpu, gpu, npu, auto, hetero, multi"
    assert not folder.exists()
