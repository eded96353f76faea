"""What a worker tells Prometheus is what it has done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.metrics import Scrape, scrape, wait_until_ready
from helpers.pictures import jpeg
from helpers.ports import free_port
from helpers.processes import wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, finished, in_work

from askpix.producer.client import Client, Item, Question
from askpix.producer.progress import Progress
from askpix.producer.rows import Status
from askpix.worker.error_codes import ITEM_CODES, OTHER, USUAL_CODES


@pytest.fixture(scope="module")
def port(start_worker: Starter) -> int:
    """The port of a worker that is ready."""
    port = free_port()
    start_worker("--health-port", str(port))
    wait_until_ready(port)
    return port


def gain(before: Scrape, after: Scrape, label: str, name: str, **labels: str) -> Counter[str]:
    return after.by(label, name, **labels) - before.by(label, name, **labels)


def once(port: int, there: Callable[[Scrape], bool]) -> Scrape:
    """Returns the first reading of which something is true: a part counts as done just after its job does."""
    readings = [scrape(port)]

    def found() -> bool:
        readings.append(scrape(port))
        return there(readings[-1])

    wait_until(found, within=20, what="such a reading")
    return readings[-1]


def test_its_figures_are_those_of_the_rows(
    client: Client, port: int, folder: Path, images: Path, pages: HeldServer
) -> None:
    # Given: a job whose items fail in several ways, and an ask.
    before = scrape(port)
    good = [str(path) for path in sorted(images.glob("*.jpg"))[:4]]
    text = pages.put("/text.jpg", b"this is no image")
    cut = pages.put("/cut.jpg", jpeg()[:-200])
    bad = [f"{pages.url}/nowhere.jpg", text, cut, "ftp://example.com/x.jpg", "/etc/passwd"]
    asked = [
        Item(image=image, questions=(Question("what color is it?"), Question("red?", match=True))) for image in good
    ]

    # When
    captions = client.submit([*good, *bad], output=str(folder / "captions"), model=MODEL, part_size=2)
    questions = client.submit(asked, output=str(folder / "questions"), model=MODEL)
    rows = [*finished(captions).results(), *finished(questions).results()]
    answer = client.ask(good[0], model=MODEL).get(timeout=60)
    after = once(port, lambda now: gain(before, now, "outcome", "askpix_parts_total").total() == 6)

    # Then
    codes = Counter(row.error_code for row in rows if row.status is Status.ERROR)
    assert len(codes) >= 4
    assert gain(before, after, "code", "askpix_items_total", status="error") == codes
    assert gain(before, after, "status", "askpix_items_total", source="part") == Counter(row.status for row in rows)
    assert gain(before, after, "source", "askpix_items_total") == {"part": len(rows), "ask": 1}
    assert gain(before, after, "kind", "askpix_answers_total") == Counter(
        one.kind for row in [*rows, answer] for one in row.answers
    )
    assert gain(before, after, "outcome", "askpix_parts_total") == {"done": 6}
    seconds = after.sum("askpix_item_seconds_sum", source="part") - before.sum("askpix_item_seconds_sum", source="part")
    assert seconds == pytest.approx(sum(row.seconds for row in rows))
    assert gain(before, after, "source", "askpix_item_seconds_count") == {"part": len(rows), "ask": 1}
    assert (
        after.sum("askpix_stage_seconds_count", stage="write") - before.sum("askpix_stage_seconds_count", stage="write")
        == 6
    )
    (served, _), *_ = after.samples("askpix_model_info")
    assert (served["model"], served["device"], served["fingerprint"]) == (
        rows[0].model,
        rows[0].device,
        rows[0].fingerprint,
    )


def test_each_code_that_many_items_may_have_is_told_before_any_has_it(start_worker: Starter) -> None:
    port = free_port()
    worker = start_worker("--health-port", str(port))
    wait_until_ready(port)

    told = {own["code"]: value for own, value in scrape(port).samples("askpix_items_total", source="part")}

    worker.close()
    assert told == dict.fromkeys((*USUAL_CODES, ""), 0)


def test_rows_whose_result_cannot_be_written_are_not_made_again(
    client: Client, port: int, folder: Path, pages: HeldServer
) -> None:
    # Given: a part in work, and something in the way of its result.
    before = scrape(port)
    job, urls, names = in_work(client, pages, folder)
    obstacle = folder / "results" / "part-000000.parquet"
    obstacle.mkdir(parents=True)
    pages.let_go()
    wait_until(lambda: "cannot be written" in (job.progress().error or ""), within=60, what="a job that stops")

    # When
    obstacle.rmdir()
    job.resume()
    rows = finished(job).results()

    # Then
    assert sum(row.status is Status.OK for row in rows) == len(urls)
    assert [pages.came.count(name) for name in names] == [1] * len(names)
    after = once(port, lambda now: gain(before, now, "outcome", "askpix_parts_total")["done"] == 6)
    assert gain(before, after, "outcome", "askpix_parts_total")["failed"] == 1
    assert gain(before, after, "source", "askpix_items_total") == {"part": len(urls)}


def test_what_waits_is_told_with_its_age(
    client: Client, port: int, folder: Path, pages: HeldServer, broker: RedisServer
) -> None:
    # Given: six parts, of which two are in work and wait for their images.
    job, *_ = in_work(client, pages, folder)
    wait_until(lambda: broker.waiting() == 4, within=20, what="four parts in the queue")

    # When
    wait_until(lambda: scrape(port).sum("askpix_queue_messages", queue=MODEL) == 4, within=20, what="a new look")
    told = scrape(port)

    # Then
    assert told.sum("askpix_parts_in_work") == 2
    assert told.sum("askpix_images_loading") == 4
    assert told.by("queue", "askpix_queue_messages") == {MODEL: 4}
    assert {own["queue"]: own["kind"] for own, _ in told.samples("askpix_queue_messages")} == {
        MODEL: "parts",
        f"{MODEL}.cpu": "parts",
        f"{MODEL}.ask": "asks",
        f"{MODEL}.cpu.ask": "asks",
    }
    ((_, oldest),) = told.samples("askpix_queue_oldest_seconds", queue=MODEL)
    assert 0 < oldest < 60
    pages.let_go()
    finished(job)


def test_a_part_that_another_worker_did_not_end_is_one_taken_over(
    client: Client, port: int, folder: Path, pages: HeldServer, broker: RedisServer
) -> None:
    # Given: a part in the queue that somebody had begun, and died.
    before = scrape(port)
    job, *_ = in_work(client, pages, folder)
    lease = Progress(broker.client, job.folder.uri).claim(5, 0, 60, "another")
    assert lease is not None
    lease.release(to_queue=True, died=True)

    # When
    pages.let_go()
    finished(job)

    # Then
    after = once(port, lambda now: gain(before, now, "outcome", "askpix_parts_total").total() == 6)
    assert gain(before, after, "", "askpix_parts_taken_over_total").total() == 1
    assert gain(before, after, "outcome", "askpix_parts_total") == {"done": 6}


def test_an_age_that_a_message_makes_up_is_none(
    client: Client, port: int, folder: Path, pages: HeldServer, broker: RedisServer
) -> None:
    # Given: the oldest message is of no time that there could be, and says others in what it asks.
    job, *_ = in_work(client, pages, folder)
    wait_until(lambda: broker.waiting() == 4, within=20, what="four parts in the queue")
    queue = f"askpix:{MODEL}"
    message = json.loads(broker.client.lindex(queue, -1) or "")
    for told in (
        "9" * 400,
        int("9" * 400),
        1e300,
        -1,
        True,
        None,
        "yesterday",
        {"a": 1},
        [1_700_000_000.0],
        12.5,
        float("nan"),
    ):
        message["headers"]["askpix_queued"] = told
        message["headers"]["argsrepr"] = '"askpix_queued": 1700000000.0 \xff\u2028'
        broker.client.lset(queue, -1, json.dumps(message))
        looked = scrape(port)
        wait_until(
            lambda: not list(scrape(port).samples("askpix_queue_oldest_seconds", queue=MODEL)),
            within=20,
            what=f"no age of {told!r}",
        )
        assert looked.sum("askpix_broker_up") == 1

    # When it is taken, it is work like any other.
    pages.let_go()
    finished(job)
    assert scrape(port).by("reason", "askpix_messages_refused_total") == {}


def test_a_broker_that_hangs_keeps_nobody_waiting(client: Client, port: int, broker: RedisServer) -> None:
    wait_until(lambda: scrape(port).sum("askpix_broker_up") == 1, within=20, what="a look at the queues")
    broker.freeze()
    try:
        # When: all looks from now on hang.
        answers = [scrape(port) for _ in range(3)]
        wait_until(lambda: scrape(port).sum("askpix_broker_up") == 0, within=60, what="an old look")
        late = scrape(port)
    finally:
        broker.thaw()

    # Then
    assert all(one.sum("askpix_items_total") > 0 for one in answers)
    assert list(late.samples("askpix_queue_messages")) == []
    assert late.sum("askpix_worker_ready") == 0
    wait_until(lambda: scrape(port).sum("askpix_broker_up") == 1, within=60, what="a broker that answers")


def test_what_messages_say_is_no_label(client: Client, port: int, broker: RedisServer, folder: Path) -> None:
    # Given
    before = scrape(port)
    words = 'x"} 1\naskpix_items_total{model="evil'
    body = {"v": 1, "job": f"file:///{words}", "part": 0}
    whole = {"task": "askpix.part", "id": "a1"}
    kind = {"content-type": "application/json", "content-encoding": "utf-8"}

    def entry(task: dict[str, Any], what: Any) -> str:
        embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
        text = json.dumps([[what], {}, embed])
        return json.dumps({"body": text, **kind, "headers": task, "properties": {"body_encoding": "utf-8"}})

    # When: messages that are refused, and items with words of their own.
    broker.client.lpush(
        f"askpix:{MODEL}",
        words,
        entry({**whole, "task": words}, body),
        entry(whole, {**body, "more": words}),
        entry(whole, body),
        entry({**whole, "task": "askpix.ask"}, body),
    )
    items = [Item(image=f"data:{words},x", id=words, group=words, questions=(Question(words, name=words),))]
    finished(client.submit(items, output=str(folder), model=MODEL))
    wait_until(
        lambda: gain(before, scrape(port), "reason", "askpix_messages_refused_total").total() == 5,
        within=20,
        what="refusals",
    )
    after = scrape(port)

    # Then
    assert gain(before, after, "reason", "askpix_messages_refused_total") == {
        "malformed": 3,
        "outside": 1,
        "wrong_queue": 1,
    }
    assert "evil" not in after.text
    assert {own["model"] for own, _ in after.samples("askpix_items_total")} == {MODEL}
    assert {own["code"] for own, _ in after.samples("askpix_items_total")} <= {*ITEM_CODES, OTHER, ""}
