"""Retry rounds: what was mended is answered again and nothing else; readers see the newest; the late change nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.http_server import Page
from helpers.pictures import jpeg
from helpers.processes import askpix, the_complaint, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter, WorkerProcess, finished, leases

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.live import PartLive
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress
from askpix.producer.rows import Status


@pytest.fixture(scope="module", autouse=True)
def worker(start_worker: Starter) -> WorkerProcess:
    return start_worker()


class Flawed:
    """A finished job of three parts: a missing file in the first, a 503 and a 404 in the second, a good third."""

    def __init__(self, client: Client, pages: HeldServer, folder: Path, images: Path) -> None:
        name = folder.name
        self.pages = pages
        self.images = images
        self.missing = folder.with_name(f"{name}-mended.jpg")
        self.busy = f"/{name}-busy"
        good = pages.put_many([f"/{name}-good-{number}" for number in range(6)], jpeg())
        busy = pages.put(self.busy, Page(status=503))
        gone = pages.url(f"/{name}-gone")
        self.items = [*good[:2], str(self.missing), busy, gone, good[2], *good[3:]]
        self.job = client.submit(
            self.items, output=str(folder), model=MODEL, questions=["what color is it?"], part_size=3
        )
        self.before = list(finished(self.job).results())
        pages.came.clear()

    def mend(self) -> None:
        shutil.copy(self.images / "000-bottle.jpg", self.missing)
        self.pages.put(self.busy, jpeg())


@pytest.fixture
def flawed(client: Client, pages: HeldServer, folder: Path, images: Path) -> Flawed:
    flawed = Flawed(client, pages, folder, images)
    codes = [row.error_code for row in flawed.before]
    assert codes == [None, None, "file_not_found", "http_503", "http_404", None, None, None, None]
    return flawed


def counts(job: Job) -> tuple[int, int, int, int, int]:
    progress = job.progress()
    return progress.round, progress.parts, progress.parts_done, progress.ok, progress.failed


def test_retry_answers_just_the_items_that_were_mended(
    flawed: Flawed, client: Client, pages: HeldServer, worker: WorkerProcess, folder: Path
) -> None:
    # Given
    engine_before = worker.counters(client)
    flawed.mend()

    # When
    round_ = flawed.job.retry()
    rows = list(finished(flawed.job).results())

    # Then: the two that a retry can help were done again, as the second attempt; the others are what they were.
    assert round_ is not None
    assert round_.parts == {0: (2,), 1: (0,)}
    assert [row.error_code for row in rows] == [None] * 4 + ["http_404"] + [None] * 4
    assert [row.attempts for row in rows] == [1, 1, 2, 2, 1, 1, 1, 1, 1]
    assert [row for row in rows if row.attempts == 1] == [row for row in flawed.before if row.retryable is not True]
    assert [row.image for row in rows] == flawed.items
    # And: nothing else was fetched, answered or written.
    assert pages.came == [flawed.busy]
    engine_after = worker.counters(client)
    assert {name: engine_after[name] - engine_before[name] for name in ("images", "questions", "answers")} == {
        "images": 2,
        "questions": 2,
        "answers": 2,
    }
    assert sorted(path.name for path in (folder / "results").iterdir()) == [
        "part-000000.parquet",
        "part-000000.r001.parquet",
        "part-000001.parquet",
        "part-000001.r001.parquet",
        "part-000002.parquet",
    ]
    assert counts(flawed.job) == (1, 2, 2, 8, 1)


def test_the_folder_alone_tells_the_same_counts_after_a_round(flawed: Flawed, broker: RedisServer) -> None:
    flawed.mend()
    flawed.job.retry()
    counted = counts(finished(flawed.job))

    broker.client.flushall()

    assert counts(flawed.job) == counted == (1, 2, 2, 8, 1)


def test_a_second_round_begins_from_the_first(flawed: Flawed, pages: HeldServer, folder: Path) -> None:
    # Given: a first round that mends one of two.
    pages.put(flawed.busy, jpeg())
    flawed.job.retry()
    finished(flawed.job)
    pages.came.clear()

    # When
    flawed.mend()
    round_ = flawed.job.retry()
    rows = list(finished(flawed.job).results())

    # Then
    assert round_ is not None
    assert (round_.round, round_.parts) == (2, {0: (2,)})
    assert [row.attempts for row in rows] == [1, 1, 3, 2, 1, 1, 1, 1, 1]
    assert pages.came == []
    assert flawed.job.retry() is None


def test_codes_or_all_failures_may_be_chosen(flawed: Flawed, pages: HeldServer, broker: RedisServer) -> None:
    env = broker.environment
    folder = Path(flawed.job.folder.uri)

    chosen = askpix("retry", folder, "--code", "http_404", cwd=folder, env=env)
    assert (chosen.code, chosen.out) == (0, "")
    assert "1 item tried again in round 1" in chosen.err
    finished(flawed.job)
    assert pages.came == [flawed.items[4].removeprefix(pages.url(""))]

    every = askpix("retry", folder, "--all", cwd=folder, env=env)
    assert "3 items tried again in round 2" in every.err
    watched = askpix("watch", folder, cwd=folder, env=env)
    assert watched.code == 1
    assert "9 items: 6 ok, 3 failed" in watched.err


def test_a_late_result_of_the_old_round_changes_nothing(
    flawed: Flawed, broker: RedisServer, pages: HeldServer, worker: WorkerProcess, folder: Path
) -> None:
    # Given: a round that is done.
    flawed.mend()
    flawed.job.retry()
    rows = list(finished(flawed.job).results())
    told = counts(flawed.job)

    def unchanged() -> bool:
        return list(flawed.job.results()) == rows and counts(flawed.job) == told

    # When: a worker that was away writes and counts its old result.
    late = [replace(row, status=Status.ERROR, error_code="late") for row in flawed.before[:3]]
    flawed.job.folder.write_result(0, late, 0)
    late_one = Progress(broker.client, str(folder)).claim(0, round_=0)
    late_one.done(ok=0, codes={"timeout": 3}, how=PartLive(done=3))
    # Then
    assert unchanged()

    # When: one that was away has failed.
    late_one.fail("the disk is full")
    # Then
    assert unchanged()
    assert Progress(broker.client, str(folder)).read().error is None

    # When: old messages come again; of one part the result of the old round is there, of the other it is lost.
    (folder / "results" / "part-000001.parquet").unlink()
    pages.came.clear()
    begin_again(flawed.job, broker, worker, (0, 1))
    # Then: the lost one was done again, and it changes nothing.
    assert (folder / "results" / "part-000001.parquet").exists()
    assert len(pages.came) == 3
    assert unchanged()


def begin_again(job: Job, broker: RedisServer, worker: WorkerProcess, parts: tuple[int, ...]) -> None:
    """Sends messages of the first reading again, and waits until the worker has done with them."""
    done = [f"part {part} of {job.folder.uri} is done" for part in parts]
    before = [worker.log.count(line) for line in done]
    with Client(broker.url) as client:
        client._broker.send_parts([PartMessage(job=job.folder.uri, part=part) for part in parts], MODEL)
    wait_until(
        lambda: all(worker.log.count(line) > count for line, count in zip(done, before, strict=True)),
        within=20,
        what="old parts done again",
    )


def test_a_round_survives_an_emptied_broker(flawed: Flawed, pages: HeldServer, broker: RedisServer) -> None:
    # Given: a round in work when the broker loses everything.
    flawed.mend()
    pages.hold(flawed.busy)
    flawed.job.retry()
    wait_until(lambda: flawed.busy in pages.came, within=20, what="the round in work")
    broker.client.flushall()

    # When
    pages.let_go()
    rows = list(finished(flawed.job).results())

    # Then
    assert [row.attempts for row in rows] == [1, 1, 2, 2, 1, 1, 1, 1, 1]
    # A part that was written while the rest was counted anew is counted when its message comes again.
    wait_until(lambda: counts(flawed.job) == (1, 2, 2, 8, 1), within=20, what="counters again")


def test_retry_wants_a_finished_job(client: Client, pages: HeldServer, broker: RedisServer, folder: Path) -> None:
    path = f"/{folder.name}"
    url = pages.put(path, jpeg())
    pages.hold(path)
    job = client.submit([url], output=str(folder), model=MODEL)
    wait_until(lambda: leases(broker, job) == 1, within=20, what="a part in work")

    complaint = the_complaint(askpix("retry", folder, cwd=folder, env=broker.environment))

    assert "the job is not finished, 1 part without a result yet" in complaint
    assert job.folder.round() == 0
