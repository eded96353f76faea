"""Both ends of an answer's stream, at a broker of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from helpers.asks import IMAGE, ROW, reply, succeeded
from pydantic import SecretStr

from askpix.producer import Ask, Client, Row
from askpix.producer.records import row_to_json
from askpix.worker.streaming import Stream, Streams


@pytest.fixture
def streams(broker_url: str) -> Iterator[Streams]:
    streams = Streams(SecretStr(broker_url))
    yield streams
    streams.close()


@pytest.fixture
def asked(client: Client) -> Ask:
    """An ask that no worker takes."""
    return client.ask(IMAGE, "what?", model="m", stream=True)


def nothing() -> None:
    """What is done about a reader who has left."""


def row_of(text: str) -> Row:
    (answer,) = ROW.answers
    return replace(ROW, answers=(replace(answer, text=text),))


def answered(asked: Ask, counters: redis.Redis, row: Row) -> None:
    reply(asked, counters, succeeded(row_to_json(row)))


def told(streams: Streams, asked: Ask, counters: redis.Redis, pieces: Iterator[str], text: str) -> Stream:
    """Tells a whole answer as a worker does."""
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(pieces, give_up=nothing)
    answered(asked, counters, row_of(text))
    streams.end(stream)
    return stream
