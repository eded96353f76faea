"""Counters of a job in a real server: however often something is counted, it counts once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from askpix.producer import Client, Item, Kind, Status
from askpix.producer.job import JobFolder
from askpix.producer.progress import Progress, Reading
from askpix.producer.rows import Answer, Row
from askpix.producer.storage import LocalStorage

NOTHING = Reading(ok=0, failed=0, live=0, error=None)


@pytest.fixture
def progress(counters: redis.Redis) -> Progress:
    return Progress(counters, f"/jobs/{uuid.uuid4()}")


def test_a_job_that_nobody_has_begun_has_done_nothing(progress: Progress) -> None:
    assert progress.read() == NOTHING


def test_parts_in_work_count_as_they_go_and_once_when_done(progress: Progress) -> None:
    progress.part_live(0, 3)
    progress.part_live(1, 2)
    progress.part_live(0, 5)
    assert (progress.read().live, progress.read().done) == (7, 7)

    progress.part_done(0, ok=6, failed=2)
    assert progress.read() == Reading(ok=6, failed=2, live=2, error=None)
    assert progress.read().done == 10


def test_a_part_that_is_done_twice_counts_once(progress: Progress) -> None:
    for _ in range(3):
        progress.part_done(7, ok=6, failed=2)

    assert progress.read() == Reading(ok=6, failed=2, live=0, error=None)


def test_many_workers_count_at_once_and_nothing_is_lost(progress: Progress) -> None:
    with ThreadPoolExecutor(8) as pool:
        for counted in [pool.submit(progress.part_done, part % 50, ok=2, failed=1) for part in range(200)]:
            counted.result()

    assert progress.read() == Reading(ok=100, failed=50, live=0, error=None)


def test_an_error_is_kept_until_the_job_is_queued_anew(progress: Progress) -> None:
    progress.part_done(0, ok=1, failed=0)
    progress.part_error(1, "the disk is full")
    assert progress.read().error == "the disk is full"

    progress.reset()
    assert progress.read() == NOTHING


def test_jobs_do_not_count_for_each_other(progress: Progress, counters: redis.Redis) -> None:
    progress.part_done(0, ok=1, failed=0)

    assert Progress(counters, f"/jobs/{uuid.uuid4()}").read() == NOTHING


def test_all_keys_have_askpixs_prefix_and_end_some_day(progress: Progress, counters: redis.Redis) -> None:
    counters.flushdb()
    progress.part_live(0, 1)
    progress.part_error(0, "x")
    progress.part_done(1, ok=1, failed=0)

    keys = list(counters.scan_iter())

    assert keys
    assert all(key.startswith("askpix:job:") for key in keys)
    assert all(0 < int(str(counters.ttl(key))) <= 7 * 24 * 3600 for key in keys)


def test_carrying_on_counts_what_the_folder_holds_and_queues_the_rest(
    broker_url: str, counters: redis.Redis, tmp_path: Path
) -> None:
    # Given: a job of three parts, of which one has a result.
    counters.flushdb()
    items = [Item(image=f"{number}.jpg") for number in range(5)]
    with Client(broker_url) as client:
        job = client.submit(items, output=str(tmp_path), model="m", part_size=2)
        assert counters.llen("askpix:m") == 3
        folder = JobFolder(LocalStorage(tmp_path))
        folder.write_result(1, [ok_row("2.jpg"), replace(ok_row("3.jpg"), status=Status.ERROR, error_code="x")])
        counters.flushdb()

        # When the same is submitted again, as after a broker that lost everything
        job = client.submit(items, output=str(tmp_path), model="m", part_size=2)
        seen = job.progress()

    # Then
    assert (seen.items, seen.done, seen.ok, seen.failed, seen.finished) == (5, 2, 1, 1, False)
    assert counters.llen("askpix:m") == 2
    assert [row.id for row in job.results()] == ["2.jpg", "3.jpg"]


def ok_row(image: str) -> Row:
    answer = Answer(name="caption", kind=Kind.CAPTION, text="a mug", confidence=1.0, tokens=3)
    return Row(
        id=image,
        image=image,
        status=Status.OK,
        answers=(answer,),
        attempts=1,
        model="m",
        fingerprint="f",
        precision="f32",
        device="CPU",
        seconds=0.1,
    )
