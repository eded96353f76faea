"""Counters of a job in a real server."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import redis

from askpix.producer.lease import Lease
from askpix.producer.progress import Progress, Reading, Start


def start(**values: Any) -> Start:
    told: dict[str, Any] = {
        "id": "a" * 32,
        "queue": "m",
        "items": 500,
        "total": 50,
        "round": 0,
        "parts": 50,
        "done": bytearray(7),
        "parts_done": 0,
        "ok": 0,
        "failed": 0,
        "window": 10,
    }
    return Start(**{**told, **values})


def begun(progress: Progress, **values: Any) -> Progress:
    progress.begin(start(**values))
    return progress


def read(progress: Progress) -> Reading:
    reading = progress.read()
    assert reading is not None
    return reading


@pytest.fixture
def progress(counters: redis.Redis) -> Progress:
    return Progress(counters, f"/jobs/{uuid.uuid4()}")


def lease_on(progress: Progress, part: int, round_: int = 0) -> Lease:
    lease = progress.claim(part, round_)
    assert lease is not None
    return lease
