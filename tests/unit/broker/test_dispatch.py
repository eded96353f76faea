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
from askpix.producer.items import Item
from askpix.producer.job_folder import Hold, JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.lease import LEASE_SECONDS, Lease
from askpix.producer.live import PartLive
from askpix.producer.progress import JobState, Progress, Reading
from askpix.producer.registry import Registry
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
    return write_job(images, folder, Order(model="m", part_size=1), base="/")


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


def taken(broker: Broker, folder: JobFolder, part: int, round_: int = 0, *, seconds: int = LEASE_SECONDS) -> Lease:
    """Does what a worker does at the beginning of a part."""
    broker.redis.rpop("askpix:m")
    Registry(broker.redis).count_taken("m")
    lease = Progress(broker.redis, folder.uri).claim(part, round_, seconds)
    assert lease is not None
    return lease


def done(broker: Broker, folder: JobFolder, part: int, round_: int = 0) -> None:
    """Does what a worker does from the beginning of a part to its end."""
    lease = taken(broker, folder, part, round_)
    folder.write_result(part, [ok_row(f"{part}.jpg")], round_)
    lease.done(ok=1, codes={}, how=PartLive(done=1))


def test_the_window_is_topped_up_as_parts_end(broker: Broker, dispatcher: Dispatcher, folder: JobFolder) -> None:
    # Given
    dispatcher.enqueue(folder, submitted(folder))
    assert queued(broker) == [(0, 0), (1, 0), (2, 0)]
    window = Window(broker)
    assert window.fill(folder.uri) == 0

    # When two parts are taken, then two more are queued, and at the end none.
    done(broker, folder, 0)
    taken(broker, folder, 1)
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
    Progress(broker.redis, folder.uri).claim(1, 0).done(ok=1, codes={}, how=PartLive(done=1))  # type: ignore[union-attr]
    assert reading(broker, folder).parts_done == 0
    assert queued(broker) == [(1, 1), (4, 1)]
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

    # Then neither the window nor another submit queues more, while workers drop what waits.
    for part in (0, 1):
        taken(broker, folder, part).hold("paused")
    assert Window(broker).fill(folder.uri) == 0
    with pytest.raises(JobError, match="was paused: `askpix resume"):
        dispatcher.enqueue(folder, spec)
    dispatcher.cancel(folder)
    assert dispatcher.registry.job_uris() == []
    with pytest.raises(JobError, match="was cancelled"):
        dispatcher.enqueue(folder, spec)

    # When
    dispatcher.resume(folder, spec)

    # Then: what waits still is not queued again, and what was dropped is.
    assert folder.holds() == frozenset()
    assert reading(broker, folder).state is JobState.RUNNING
    assert queued(broker) == [(2, 0), (0, 0), (1, 0)]


def test_a_job_that_is_paused_and_resumed_without_workers_keeps_its_window(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    spec = submitted(folder)
    dispatcher.enqueue(folder, spec)

    for _ in range(3):
        dispatcher.pause(folder)
        dispatcher.resume(folder, spec)

    assert queued(broker) == [(0, 0), (1, 0), (2, 0)]


def test_an_error_stops_the_window_until_the_job_is_resumed(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    spec = submitted(folder)
    dispatcher.enqueue(folder, spec)
    taken(broker, folder, 0).fail("the disk is full")
    assert Window(broker).fill(folder.uri) == 0

    dispatcher.enqueue(folder, spec)

    assert reading(broker, folder).error is None
    assert queued(broker) == [(1, 0), (2, 0), (0, 0)]


def test_a_part_whose_worker_died_is_queued_again_although_others_wait(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder
) -> None:
    # Given: a job whose last part waits behind others, and one whose worker was killed.
    dispatcher.enqueue(folder, submitted(folder, items=3))
    taken(broker, folder, 0, seconds=0)

    # When
    assert Window(broker).fill(folder.uri) == 1

    # Then
    assert queued(broker) == [(1, 0), (2, 0), (0, 0)]


def test_a_job_that_is_lost_while_it_is_submitted_is_registered_again(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: another server takes over just after the job was registered, and has not heard of it.
    add, taken_over = Registry.add_job, []

    def lose(registry: Registry, uri: str) -> None:
        add(registry, uri)
        if not taken_over:
            taken_over.append(uri)
            broker.redis.flushdb()

    monkeypatch.setattr(Registry, "add_job", lose)

    # When
    dispatcher.enqueue(folder, submitted(folder))

    # Then
    assert taken_over
    assert queued(broker) == [(0, 0), (1, 0), (2, 0)]
    assert dispatcher.registry.job_uris() == [folder.uri]


def test_messages_that_the_broker_lost_are_sent_again(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a job of which a window of three messages is gone, and one of another job's waits in the queue.
    monkeypatch.setattr("askpix.producer.window.STALLED_SECONDS", 0)
    dispatcher.enqueue(folder, submitted(folder))
    window = Window(broker)
    broker.redis.delete("askpix:m")
    broker.redis.lpush("askpix:m", "of another job")
    assert window.fill(folder.uri) == 0

    # When: as long as that one waits, ours may be behind it.
    assert not window.find_lost(folder.uri, "m")
    assert not window.find_lost(folder.uri, "m")
    broker.redis.lpush("askpix:m", "of another job")
    broker.redis.rpop("askpix:m")
    Registry(broker.redis).count_taken("m")

    # Then
    assert window.find_lost(folder.uri, "m")
    broker.redis.delete("askpix:m")
    assert window.fill(folder.uri) == 3
    assert queued(broker) == [(0, 0), (1, 0), (2, 0)]


def test_messages_that_wait_or_are_in_work_are_not_taken_for_lost(
    broker: Broker, dispatcher: Dispatcher, folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askpix.producer.window.STALLED_SECONDS", 0)
    dispatcher.enqueue(folder, submitted(folder))
    window = Window(broker)

    # They wait, and nobody takes any.
    assert not any(window.find_lost(folder.uri, "m") for _ in range(3))

    # Or one of them is in work, and the others wait.
    lease = taken(broker, folder, 0)
    assert not any(window.find_lost(folder.uri, "m") for _ in range(3))

    # Or they are taken one after the other.
    for part in (1, 2):
        lease.done(ok=1, codes={}, how=PartLive(done=1))
        assert not window.find_lost(folder.uri, "m")
        lease = taken(broker, folder, part)
