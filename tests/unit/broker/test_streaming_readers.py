"""The reader and the worker of a stream: how long each is waited for, and how each learns that the other is gone."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from helpers.asks import client
from helpers.processes import wait_until
from helpers.streams import answered, asked, nothing, row_of, streams

from askpix.producer import Ask, AskpixError
from askpix.producer.errors import BrokerError, InputError
from askpix.producer.redis_keys import HEARD
from askpix.worker import streaming
from askpix.worker.streaming import Streams

__all__ = ["asked", "client", "streams"]


@pytest.mark.parametrize("timeout", [math.nan, math.inf, -1.0, 3_601.0])
def test_a_wait_that_is_none_is_refused(timeout: float, asked: Ask) -> None:
    with pytest.raises(InputError, match="from 0 to 3600 seconds"):
        next(asked.pieces(timeout))


def test_nobody_is_waited_for_for_ever(asked: Ask) -> None:
    with pytest.raises(TimeoutError, match=r"with m within 0\.2 s"):
        next(asked.pieces(0.2))


@pytest.mark.parametrize("how", ["pieces", "get"])
def test_a_worker_that_is_gone_is_told(how: str, asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    # Given: one that has begun, and whose last sign of life runs out.
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(iter(["a red"]), give_up=nothing)
    assert next(asked.pieces(5)) == "a red"
    streams.close()
    assert 0 < counters.ttl(stream.told) <= 60
    counters.pexpire(stream.told, 1)

    # Then
    with pytest.raises(AskpixError, match="worker has ended before it answered"):
        next(asked.pieces(30)) if how == "pieces" else asked.get(30)


def test_a_worker_that_has_ended_without_a_result_is_told(asked: Ask, streams: Streams) -> None:
    stream = streams.open(asked.id)
    stream.begin()
    streams.end(stream)
    with pytest.raises(AskpixError, match="its answer is lost"):
        list(asked.pieces(30))


def test_a_worker_lives_for_as_long_as_it_works(asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    """Also where there is nothing to tell, and where Redis has lost everything meanwhile."""
    stream = streams.open(asked.id)
    stream.begin()
    for lose in (lambda: counters.pexpire(stream.told, 700), lambda: counters.delete(stream.told)):
        lose()
        wait_until(lambda: counters.ttl(stream.told) > 50, within=5, what="a sign of life")
    assert counters.xrange(stream.told)[0][1] == {"at": "0", "text": ""}


@pytest.mark.parametrize("how", ["cancelled", "vanished"])
def test_a_reader_who_has_left_is_noticed_while_there_is_nothing_to_tell(
    how: str, asked: Ask, streams: Streams, counters: redis.Redis
) -> None:
    stream = streams.open(asked.id)
    stream.begin()
    given_up = threading.Event()

    def pieces() -> Iterator[str]:
        yield "a"
        assert given_up.wait(10)

    telling = threading.Thread(target=stream.tell, args=(pieces(), given_up.set))
    telling.start()
    assert next(asked.pieces(5)) == "a"
    assert not stream.left
    if how == "cancelled":
        asked.cancel()
        assert list(asked.pieces(5)) == []
    else:
        assert 0 < counters.ttl(stream.heard) <= 15
        counters.pexpire(stream.heard, 1)
    telling.join(10)
    assert stream.left
    # Then: whoever left stays away.
    asked.cancel()
    next(asked.pieces(0.1), None)
    assert not counters.exists(stream.heard)


def test_patience_with_a_reader_ends_where_the_stream_that_was_lost_cannot_be_made_anew(
    asked: Ask, streams: Streams, counters: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARD_SECONDS", 1)
    stream = streams.open(asked.id)
    stream.begin()
    assert stream.listen()
    counters.execute_command("ACL", "SETUSER", "default", "-xadd")
    counters.delete(stream.told, stream.heard)
    try:
        assert stream.listen()
        wait_until(lambda: stream.left, within=5, what="the end of patience")
    finally:
        counters.execute_command("ACL", "SETUSER", "default", "+xadd")


def test_a_reader_has_time_to_come_back_when_redis_has_lost_everything(
    asked: Ask, streams: Streams, counters: redis.Redis
) -> None:
    stream = streams.open(asked.id)
    stream.begin()
    counters.delete(stream.told, stream.heard)
    wait_until(lambda: bool(counters.exists(stream.told)), within=5, what="the stream anew")
    assert not stream.left

    # When the worker has looked for him two times more.
    for _ in range(2):
        counters.expire(stream.told, 5)
        wait_until(lambda: counters.ttl(stream.told) > 5, within=5, what="a sign of life")
    assert not stream.left


@pytest.fixture
def no_entries(counters: redis.Redis) -> Iterator[None]:
    """A server that takes none, as where a worker's user lacks the right."""
    counters.execute_command("ACL", "SETUSER", "default", "-xadd")
    yield
    counters.execute_command("ACL", "SETUSER", "default", "+xadd")


@pytest.mark.usefixtures("no_entries")
def test_a_reader_who_leaves_is_noticed_where_no_entry_is_taken(
    asked: Ask, streams: Streams, counters: redis.Redis
) -> None:
    stream = streams.open(asked.id)
    stream.begin()
    given_up = threading.Event()

    def pieces() -> Iterator[str]:
        yield "a"
        assert stream.listen()
        asked.cancel()
        assert given_up.wait(10)

    stream.tell(pieces(), give_up=given_up.set)

    assert not counters.exists(stream.told)
    assert stream.left


def test_who_had_left_before_is_known_when_a_worker_begins(asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    asked.cancel()
    stream = streams.open(asked.id)
    stream.begin()
    assert stream.left
    given_up = threading.Event()
    stream.tell(iter(()), give_up=given_up.set)
    assert given_up.is_set()


def test_waiting_for_the_row_is_reading_too(asked: Ask, counters: redis.Redis) -> None:
    counters.delete(f"{HEARD}{asked.id}")
    with pytest.raises(TimeoutError):
        asked.get(2.5)
    assert counters.exists(f"{HEARD}{asked.id}")


@pytest.fixture
def fill(counters: redis.Redis) -> Iterator[Callable[[], None]]:
    """Fills the server: it has no room for anything more."""
    yield lambda: counters.config_set("maxmemory", 1)
    counters.config_set("maxmemory", 0)


def test_a_full_server_hears_of_a_reader_who_is_there(
    asked: Ask, counters: redis.Redis, fill: Callable[[], None]
) -> None:
    counters.pexpire(f"{HEARD}{asked.id}", 3_000)
    fill()
    with pytest.raises(TimeoutError):
        next(asked.pieces(0.1))
    assert counters.ttl(f"{HEARD}{asked.id}") > 10


def test_what_a_full_server_has_is_read_though_it_cannot_hear_of_the_reader(
    asked: Ask, streams: Streams, counters: redis.Redis, fill: Callable[[], None]
) -> None:
    # Given: a text of which some has come, and a reader who was away for too long.
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(iter(["a red"]), give_up=nothing)
    counters.delete(stream.heard)
    fill()

    # Then
    pieces = asked.pieces(5)
    assert next(pieces) == "a red"
    with pytest.raises(BrokerError):
        next(pieces)

    # When: there is room for the answer, and none again.
    counters.config_set("maxmemory", 0)
    answered(asked, counters, row_of("a red mug"))
    counters.delete(stream.heard)
    fill()
    assert "".join(asked.pieces(5)) == " mug"
    assert asked.get(5).answers[0].text == "a red mug"
