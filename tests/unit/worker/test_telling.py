"""What a worker tells of a part in work."""

from __future__ import annotations

import uuid

import pytest
import redis
from helpers.rows import failed_row, ok_row

from askpix.producer.lease import Lease
from askpix.producer.progress import Progress, Reading, Start
from askpix.producer.rows import Row
from askpix.worker.telling import Telling


@pytest.fixture
def progress(counters: redis.Redis) -> Progress:
    progress = Progress(counters, f"/jobs/{uuid.uuid4()}")
    numbers = {"items": 20, "total": 2, "round": 0, "parts": 2, "parts_done": 0, "ok": 0, "failed": 0, "window": 2}
    progress.begin(Start(id="a" * 32, queue="m", done=bytearray(1), **numbers))
    return progress


@pytest.fixture
def lease(progress: Progress) -> Lease:
    lease = progress.claim(0, worker="one")
    assert lease is not None
    return lease


def read(progress: Progress) -> Reading:
    reading = progress.read()
    assert reading is not None
    return reading


def test_rows_that_were_there_before_count_and_are_nobodys_work(progress: Progress, lease: Lease) -> None:
    telling = Telling(lease)
    telling.begin([ok_row("0.jpg"), failed_row("1.jpg", "timeout")])
    telling.live()

    told = read(progress)
    assert (told.live, told.codes, told.workers, told.latest) == (2, {"timeout": 1}, {}, ())


def test_new_rows_are_told_once_however_often_they_are_seen(progress: Progress, lease: Lease) -> None:
    telling = Telling(lease)
    telling.begin([])
    rows: dict[int, Row] = {}
    for place in (3, 1, 0, 2):
        rows[place] = failed_row(f"{place}.jpg", "timeout") if place == 1 else ok_row(f"{place}.jpg")
        assert telling.see(rows)
        assert not telling.see(rows)
        telling.live()

    told = read(progress)
    assert (told.live, told.codes, told.workers) == (4, {"timeout": 1}, {"one": 4})
    assert [glimpse.id for glimpse in told.latest] == ["2.jpg"]


def test_of_many_new_rows_the_newest_three_are_told(progress: Progress, lease: Lease) -> None:
    telling = Telling(lease)
    telling.begin([])
    telling.see({place: ok_row(f"{place}.jpg") for place in range(10)})
    telling.live()

    assert [glimpse.id for glimpse in read(progress).latest] == ["9.jpg", "8.jpg", "7.jpg"]


def test_at_the_end_all_rows_are_counted(progress: Progress, lease: Lease) -> None:
    telling = Telling(lease)
    telling.begin([failed_row("0.jpg", "bad_url")])
    made = {place: ok_row(f"{place}.jpg") for place in range(1, 10)}
    telling.see(made)
    telling.done([failed_row("0.jpg", "bad_url"), *made.values()])

    told = read(progress)
    assert (told.ok, told.failed, told.live, told.codes, told.workers) == (9, 1, 0, {"bad_url": 1}, {"one": 9})


def test_without_a_broker_nobody_is_told() -> None:
    telling = Telling(None)
    telling.begin([ok_row("0.jpg")])
    assert telling.see({1: ok_row("1.jpg")})
    telling.live()
    telling.done([])
