"""An ask at the worker: its answer comes in time or not at all, and its picture is not sent back."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from helpers.engine_calls import opened
from helpers.pictures import jpeg
from pydantic import SecretStr

from askpix.producer.messages import AskMessage
from askpix.worker import asking
from askpix.worker.access import Access
from askpix.worker.asking import AskRunner
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engines import Engines
from askpix.worker.item import ItemWork
from askpix.worker.loading import LoadedImage, Loader
from askpix.worker.local import demo_model
from askpix.worker.streaming import Stream, Streams


@pytest.fixture(scope="module")
def engine() -> Iterator[BlipEngine]:
    with opened(demo_model()) as engine:
        yield engine


@pytest.fixture
def runner(engine: BlipEngine, tmp_path: Path) -> Iterator[AskRunner]:
    access = Access(storage_roots=[str(tmp_path)])
    loader = Loader(access)
    yield AskRunner(Engines([engine]), access, loader)
    loader.close()


def message(engine: BlipEngine, scheme: str = "data", **more: Any) -> AskMessage:
    image = f"{scheme}:image/jpeg;base64,{base64.b64encode(jpeg()).decode()}"
    return AskMessage.parse({"v": 1, "model": engine.info.model, "image": image, **more})


@pytest.mark.parametrize("scheme", ["data", "DATA", "Data"])
def test_a_picture_that_was_sent_along_is_not_sent_back(scheme: str, runner: AskRunner, engine: BlipEngine) -> None:
    row = runner.run(message(engine, scheme))

    assert row["status"] == "ok"
    assert row["id"] == row["image"]
    assert row["id"].startswith("data:")
    assert len(row["id"]) == len("data:") + 16


def test_what_takes_too_long_fails_with_a_code_that_says_so(
    runner: AskRunner, engine: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", -1)

    row = runner.run(message(engine, questions=["what is it?", {"text": "what is it?", "choices": ["mug", "lamp"]}]))

    assert (row["status"], row["error_code"], row["retryable"]) == ("error", "deadline", True)


def test_a_flood_ends_in_time_and_the_next_one_is_answered(
    runner: AskRunner, engine: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: as much as one ask may have weighed, and a moment for it: all of it takes 35 ms and more.
    flood = [{"text": f"what is it, {n}?", "choices": [f"{n} {other}" for other in range(100)]} for n in range(10)]
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.01)

    cut = runner.run(message(engine, questions=flood))
    monkeypatch.undo()

    assert cut["error_code"] == "deadline"
    assert cut["seconds"] < 5
    assert runner.run(message(engine, questions=["what is it?"]))["status"] == "ok"


def test_a_blip_looks_at_one_image_and_none_is_loaded_before_it_says_so(
    runner: AskRunner, engine: BlipEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loader, "decoded", lambda *_, **__: pytest.fail("an image was loaded"))
    turn = {"question": "what is it?", "answer": "a mug", "images": ["https://shop.example/1.jpg"]}

    row = runner.run(message(engine, questions=["and this?"], history=[turn]))

    assert (row["status"], row["error_code"], row["retryable"]) == ("error", "too_many_images", False)
    assert row["error_message"] == "askpix-demo looks at one image at a time"


def test_a_blip_is_told_nothing_of_before(runner: AskRunner, engine: BlipEngine) -> None:
    history = [{"question": "what is it?", "answer": "a mug"}]

    row = runner.run(message(engine, questions=["what color is it?"], history=history))

    assert (row["status"], row["error_code"], row["retryable"]) == ("error", "needs_chat", False)
    assert not row["answers"]


@pytest.fixture
def streams(broker_url: str) -> Iterator[Streams]:
    streams = Streams(SecretStr(broker_url))
    yield streams
    streams.close()


@pytest.mark.parametrize(("limit", "code"), [("ANSWER_SECONDS", None), ("STREAM_SECONDS", "deadline")])
def test_what_somebody_reads_has_a_time_of_its_own(
    limit: str,
    code: str | None,
    runner: AskRunner,
    engine: BlipEngine,
    streams: Streams,
    counters: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, limit, -1)
    counters.set("askpix:heard:read", 1, ex=60)

    stream = streams.open("read")
    row = runner.run(message(engine, questions=["what is it?"], stream=True), stream)
    streams.end(stream)

    assert row["error_code"] == code
    told = "".join(fields["text"] for _, fields in counters.xrange("askpix:told:read"))
    assert told == ("" if code else row["answers"][0]["text"])
    counters.delete("askpix:told:read")


def test_more_streams_than_a_worker_has_room_for_have_the_time_of_any_ask(
    engine: BlipEngine,
    runner: AskRunner,
    streams: Streams,
    counters: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given: room for one, which is taken by a stream whose image is being loaded.
    monkeypatch.setattr(asking, "STREAMS_AT_ONCE", 1)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", -1)
    runner = AskRunner(runner._engines, runner._access, runner._loader)
    for name in ("first", "second", "third"):
        counters.set(f"askpix:heard:{name}", 1, ex=60)
    loading, go_on = threading.Event(), threading.Event()
    load = Loader.load

    def held(loader: Loader, *arguments: Any) -> LoadedImage:
        if not loading.is_set():
            loading.set()
            assert go_on.wait(20)
        return load(loader, *arguments)

    monkeypatch.setattr(Loader, "load", held)

    def run(name: str) -> str | None:
        stream = streams.open(name)
        row = runner.run(message(engine, questions=["what is it?"], stream=True), stream)
        streams.end(stream)
        code: str | None = row["error_code"]
        return code

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, "first")
        assert loading.wait(20)

        # Then: the next one has no more than an ask has, here none; and when there is room, the next has.
        assert run("second") == "deadline"
        go_on.set()
        assert first.result(20) is None
        assert run("third") is None
    counters.delete(*(f"askpix:told:{name}" for name in ("first", "second", "third")))


def test_what_cannot_be_told_is_given_up(
    runner: AskRunner, engine: BlipEngine, streams: Streams, counters: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the engine would work for nobody, before all others."""
    given_up = list[ItemWork]()
    cancel = ItemWork.cancel

    def cancelled(work: ItemWork) -> None:
        given_up.append(work)
        cancel(work)

    monkeypatch.setattr(ItemWork, "cancel", cancelled)
    monkeypatch.setattr(Stream, "tell", lambda *_, **__: 1 // 0)
    counters.set("askpix:heard:broken", 1, ex=60)
    stream = streams.open("broken")

    with pytest.raises(ZeroDivisionError):
        runner.run(message(engine, questions=["what is it?"], stream=True), stream)

    streams.end(stream)
    assert len(given_up) == 1
    counters.delete("askpix:told:broken")


def test_what_nobody_reads_is_not_fetched(runner: AskRunner, engine: BlipEngine, streams: Streams) -> None:
    stream = streams.open("unread")
    row = runner.run(message(engine, stream=True), stream)
    streams.end(stream)

    assert (row["status"], row["error_code"], row["sha256"]) == ("error", "cancelled", None)
    assert not row["answers"]
