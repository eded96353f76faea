"""Asks that no worker takes, and what is kept where their answers are looked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from askpix.producer import Ask, Client
from askpix.producer.rows import Answer, Kind, Row, Status

IMAGE = "https://shop.example/1.jpg"


ROW = Row(
    id="1",
    group=None,
    image=IMAGE,
    status=Status.OK,
    answers=(
        Answer(question=None, name="caption", kind=Kind.CAPTION, text="a mug", confidence=0.5, tokens=2, choices=None),
    ),
    error_code=None,
    error_message=None,
    retryable=None,
    width=4,
    height=4,
    sha256="0" * 64,
    attempts=1,
    model="m",
    fingerprint="f",
    precision="f32",
    device="CPU",
    seconds=0.5,
    extra=None,
)


@pytest.fixture
def client(broker_url: str) -> Iterator[Client]:
    with Client(broker_url) as client:
        yield client


def reply(asked: Ask, counters: redis.Redis, value: Any) -> None:
    """Keeps something where the answer to an ask is looked for."""
    counters.set(f"askpix:celery-task-meta-{asked.id}", value if isinstance(value, str) else json.dumps(value), ex=60)


def succeeded(result: Any) -> dict[str, Any]:
    return {"status": "SUCCESS", "result": result}
