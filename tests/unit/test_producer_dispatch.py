"""What a producer says to the broker: what is missing is queued, as much as the window takes, once."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from helpers.rows import failed_row, ok_row
from pydantic import SecretStr

from askpix.producer.broker import Broker
from askpix.producer.dispatch import Dispatcher
from askpix.producer.errors import JobError
from askpix.producer.items import Item, Options
from askpix.producer.job import Hold, JobFolder, JobSpec
from askpix.producer.progress import JobState, Progress, Reading
from askpix.producer.rounds import Failures
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job
from askpix.producer.window import Window

WINDOW = 3


@pytest.fixture
def broker(broker_url: str, counters: redis.Redis) -> Iterator[Broker]:
    counters.flushdb()
    broker = Broker(SecretStr(broker_url))
    yield broker
    broker.close()
    counters.flushdb()


@pytest.fixture
def dispatcher(broker: Broker) -> Dispatcher:
    return Dispatcher(broker, window=WINDOW)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(LocalStorage(tmp_path / "job"))


def submitted(folder: JobFolder, items: int = 5) -> JobSpec:
    """A job of so many items in parts of one."""
    images = [Item(image=f"{number}.jpg") for number in range(items)]
    return write_job(images, folder, base="/", model="m", questions=None, options=Options(), part_size=1)


def queued(broker: Broker) -> list[tuple[int, int]]:
    """Part and round of each message, in the order in which workers get them."""
    found = []
    for text in reversed(broker.redis.lrange("askpix:m", 0, -1)):  # type: ignore[arg-type]
        (message,), _, _ = json.loads(base64.b64decode(json.loads(text)["body"]))
        found.append((message["part"], message["round"]))
    return found


def reading(broker: Broker, folder: JobFolder) -> Reading:
    told = Progress(broker.redis, folder.uri).read()
    assert told is not None
    return told


def done(broker: Broker, folder: JobFolder, part: int, round_: int = 0) -> None:
    """Does what a worker does at the end of a part."""
    folder.write_result(part, [ok_row(f"{part}.jpg")], round_)
    Progress(broker.redis, folder.uri).part_done(part, ok=1, failed=0, round_=round_)


def test_the_window_is_topped_up_as_parts_end(broker: Broker, dispatcher: Dispatcher, folder: JobFolder) -> None:
    # Given
    dispatcher.enqueue(folder, submitted(folder))
    assert queued(broker) == [(0, 0), (1, 0), (2, 0)]
    window = Window(broker)
    assert window.fill(folder.uri) == 0

    # When two parts are taken from the queue and done, then two more are queued, and at the end none.
    broker.redis.rpop("askpix:m", 2)
    done(broker, folder, 0)
    done(broker, folder, 1)
    assert window.fill(folder.uri) == 2
    assert queued(broker) == [(2, 0), (3, 0), (4, 0)]
    done(broker, folder, 2)
    assert window.fill(folder.uri) == 0


def test_a_job_that_is_submitted_again_is_not_queued_twice(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    spec = submitted(folder)
    dispatcher.enqueue(folder, spec)
    before = queued(broker)

    dispatcher.enqueue(folder, spec)

    assert queued(broker) == before
    assert dispatcher.registry.job_uris() == [folder.uri]


def test_carrying_on_counts_what_the_folder_holds_and_queues_the_rest(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    # Given: a job of five parts, of which two have a result, and a broker that has lost everything.
    spec = submitted(folder)
    folder.write_result(1, [ok_row("1.jpg")])
    folder.write_result(3, [failed_row("3.jpg")])

    # When
    dispatcher.enqueue(folder, spec)

    # Then
    told = reading(broker, folder)
    assert (told.items, told.ok, told.failed, told.parts, told.parts_done) == (5, 1, 1, 5, 2)
    assert queued(broker) == [(0, 0), (2, 0), (4, 0)]


def test_counters_of_another_job_that_was_in_the_folder_are_not_carried_on(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    dispatcher.enqueue(folder, submitted(folder))
    done(broker, folder, 0)
    (folder.storage.root / "job.json").unlink()  # type: ignore[attr-defined]
    for path in (folder.storage.root / "results").iterdir():  # type: ignore[attr-defined]
        path.unlink()

    dispatcher.enqueue(folder, submitted(folder, items=2))

    assert (reading(broker, folder).items, reading(broker, folder).parts_done) == (2, 0)


def test_a_retry_round_does_the_chosen_items_again(broker: Broker, dispatcher: Dispatcher, folder: JobFolder) -> None:
    # Given: a finished job of which three parts have failed.
    spec = submitted(folder)
    folder.write_result(0, [ok_row("0.jpg")])
    folder.write_result(1, [failed_row("1.jpg", "http_503")])
    folder.write_result(2, [failed_row("2.jpg", "not_an_image", retryable=False)])
    folder.write_result(3, [ok_row("3.jpg")])
    folder.write_result(4, [failed_row("4.jpg", "file_not_found")])

    # When
    round_ = dispatcher.retry(folder, spec, Failures())

    # Then
    assert round_ is not None
    assert round_.parts == {1: (0,), 4: (0,)}
    assert folder.read_round(1) == round_
    assert queued(broker) == [(1, 1), (4, 1)]
    told = reading(broker, folder)
    assert (told.round, told.parts, told.ok, told.failed) == (1, 2, 2, 1)

    # And a second retry waits for the first, whose late parts of round 0 change nothing.
    with pytest.raises(JobError, match="round 1 is not finished, 2 parts"):
        dispatcher.retry(folder, spec, Failures())
    done(broker, folder, 1, round_=0)
    assert reading(broker, folder).parts_done == 0
    done(broker, folder, 1, round_=1)
    done(broker, folder, 4, round_=1)
    told = reading(broker, folder)
    assert (told.ok, told.failed, told.finished) == (4, 1, True)
    assert folder.results() == {0: 0, 1: 1, 2: 0, 3: 0, 4: 1}

    # And what is left are failures of the other kind.
    assert dispatcher.retry(folder, spec, Failures()) is None
    last = dispatcher.retry(folder, spec, Failures(["not_an_image"]))
    assert last is not None
    assert (last.round, last.parts) == (2, {2: (0,)})


def test_a_job_that_is_not_finished_is_not_retried(dispatcher: Dispatcher, folder: JobFolder) -> None:
    spec = submitted(folder)
    folder.write_result(1, [failed_row("1.jpg")])

    with pytest.raises(JobError, match="the job is not finished, 4 parts"):
        dispatcher.retry(folder, spec, Failures())

    assert folder.round() == 0


def test_a_held_job_is_not_queued_until_it_is_resumed(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    # Given
    spec = submitted(folder)
    dispatcher.enqueue(folder, spec)
    dispatcher.pause(folder)
    assert folder.holds() == {Hold.PAUSE}
    assert reading(broker, folder).state is JobState.PAUSED

    # Then neither the window nor another submit queues more.
    broker.redis.rpop("askpix:m", 3)
    assert Window(broker).fill(folder.uri) == 0
    with pytest.raises(JobError, match="was paused: `askpix resume"):
        dispatcher.enqueue(folder, spec)
    dispatcher.cancel(folder)
    assert dispatcher.registry.job_uris() == []
    with pytest.raises(JobError, match="was cancelled"):
        dispatcher.enqueue(folder, spec)

    # When
    dispatcher.resume(folder, spec)

    # Then
    assert folder.holds() == frozenset()
    assert reading(broker, folder).state is JobState.RUNNING
    assert len(queued(broker)) == WINDOW


def test_an_error_stops_the_window_until_the_job_is_resumed(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    spec = submitted(folder)
    dispatcher.enqueue(folder, spec)
    Progress(broker.redis, folder.uri).part_error(0, "the disk is full")
    broker.redis.rpop("askpix:m", 3)
    assert Window(broker).fill(folder.uri) == 0

    dispatcher.enqueue(folder, spec)

    assert reading(broker, folder).error is None
    assert len(queued(broker)) == WINDOW


def test_parts_that_are_with_nobody_are_queued_again(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a job of two parts whose messages a worker took before it died.
    monkeypatch.setattr("askpix.producer.window.STALLED_SECONDS", 0)
    dispatcher.enqueue(folder, submitted(folder, items=2))
    progress = Progress(broker.redis, folder.uri)
    window = Window(broker)
    assert not window.put_back(folder.uri, "m"), "they wait still"
    broker.redis.rpop("askpix:m", 2)
    progress.claim(0)
    assert not window.put_back(folder.uri, "m"), "one is in work"
    done(broker, folder, 0)

    # When nobody has had the other for a while, by two looks
    assert not window.put_back(folder.uri, "m")
    assert window.put_back(folder.uri, "m")

    # Then
    assert window.fill(folder.uri) == 1
    assert queued(broker) == [(1, 0)]
