"""Both ends of an answer's stream at a real broker: the pieces are the text, and each knows when the other is gone."""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from helpers.processes import wait_until
from pydantic import SecretStr
from redis.client import Pipeline
from unit.test_producer_asking import IMAGE, ROW, succeeded

from askpix.producer import Ask, AskpixError, Client, MessageError, Question, Row
from askpix.producer.errors import BrokerError, InputError
from askpix.producer.messages import AskMessage
from askpix.producer.records import row_to_json
from askpix.producer.rows import Status
from askpix.producer.streaming import HEARD, TOLD
from askpix.worker import streaming
from askpix.worker.engine.growing import Growing, pieces_of
from askpix.worker.streaming import Stream, Streams
from askpix.worker.vlm.settled import Settled

AWKWARD = (
    "größer 色は赤い、マグ。 🙂🙂 ✓",
    "👩🏽‍🚀 and 🏳️‍🌈, e\u0301, n\u0303o\u0308, \u202eright\u202c to left, שלום",
    "\ufffd\ufffda 한국어 \U0001f9ff\u200d\x1b[31m\r\n\t\0 end",
    "色" * 700,
)


@pytest.fixture
def client(broker_url: str) -> Iterator[Client]:
    with Client(broker_url) as client:
        yield client


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
    counters.set(f"askpix:celery-task-meta-{asked.id}", json.dumps(succeeded(row_to_json(row))), ex=60)


def told(streams: Streams, asked: Ask, counters: redis.Redis, pieces: Iterator[str], text: str) -> Stream:
    """Tells a whole answer as a worker does."""
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(pieces, give_up=nothing)
    answered(asked, counters, row_of(text))
    streams.end(stream)
    return stream


def cut(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("stop", ["", "マグ", "nd"])
def test_what_comes_byte_by_byte_arrives_whole(
    text: str, stop: str, asked: Ask, streams: Streams, counters: redis.Redis
) -> None:
    """As an engine does it whose tokens are bytes, and which stops at a text that comes cut up."""
    data = text.encode()
    stops = (stop,) if stop else ()
    whole = (text.partition(stop)[0] if stop else text).strip()
    growing = Growing(Settled(lambda ids: bytes(ids).decode(errors="replace"), "", stops))

    read_some = threading.Event()

    def generate() -> None:
        for number, byte in enumerate(data):
            if number == len(data) // 2:
                assert read_some.wait(20)
            growing.add((byte,))
            time.sleep(1e-4)
        growing.end()

    engine = threading.Thread(target=generate)
    telling = pieces_of(growing.texts(pause=0.002), lambda: whole)
    worker = threading.Thread(target=told, args=(streams, asked, counters, telling, whole))
    engine.start()
    worker.start()

    # Then: there are pieces before the engine has the second half.
    pieces = asked.pieces(20)
    first = next(pieces)
    read_some.set()
    assert first + "".join(pieces) == whole == asked.get(5).answers[0].text
    engine.join()
    worker.join()


@pytest.mark.parametrize("text", AWKWARD)
def test_who_comes_when_all_is_over_has_it_all(text: str, asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    told(streams, asked, counters, cut(text, 3), text)
    assert "".join(asked.pieces(5)) == text
    assert list(asked.pieces(5)) == []


def test_an_entry_is_short_and_a_stream_is_bounded(asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    # Given: more than there is room for, of which the first is long.
    text = "long " * 3_000 + "".join(f"{number} " for number in range(900))
    pieces = iter([text[:15_000], *cut(text[15_000:], 4)])

    told(streams, asked, counters, pieces, text)

    key = f"{TOLD}{asked.id}"
    # Redis drops a hundred at a time.
    assert counters.xlen(key) <= 700
    assert counters.xrange(key, count=1)[0][1]["at"] != "0"
    assert max(len(fields["text"]) for _, fields in counters.xrange(key)) <= 2_000
    assert 0 < counters.ttl(key) <= 60
    # Then: what has left the stream is in the row.
    assert "".join(asked.pieces(5)) == text


@pytest.mark.parametrize("beat", [False, True])
def test_what_redis_has_lost_is_told_again(beat: bool, asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    # Given: a reader who has the beginning, while Redis loses all it has and the worker goes on, or writes no more.
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(iter(["one ", "two "]), give_up=nothing)
    pieces = asked.pieces(10)
    assert next(pieces) == "one two "
    stream.tell(iter(["three ", "long " * 1_000]), give_up=nothing)
    counters.delete(stream.told, stream.heard)
    if beat:
        wait_until(lambda: counters.exists(stream.told) == 1, within=5, what="the stream anew")
    stream.tell(iter(["four"]), give_up=nothing)

    # Then: he has what follows, before there is a row.
    text = ""
    while not text.endswith("four"):
        text += next(pieces)
    assert text == "three " + "long " * 1_000 + "four"
    assert not stream.left
    assert max(len(fields["text"]) for _, fields in counters.xrange(stream.told)) <= 2_000


def test_a_gap_in_the_entries_is_passed_over_and_the_rest_comes_at_the_end(asked: Ask, counters: redis.Redis) -> None:
    key = f"{TOLD}{asked.id}"
    for at, text in ((0, "one "), (8, "three ")):
        counters.xadd(key, {"at": at, "text": text})
    pieces = asked.pieces(1.5)
    assert next(pieces) == "one "
    with pytest.raises(TimeoutError):
        next(pieces)

    answered(asked, counters, row_of("one two three four"))
    assert list(asked.pieces(10)) == ["two three four"]


def test_what_was_written_twice_is_read_once(asked: Ask, counters: redis.Redis) -> None:
    """As where a worker did not hear that it was."""
    key = f"{TOLD}{asked.id}"
    for at, text in ((0, "a r"), (0, "a red"), (2, "red"), (5, " mug"), (5, "")):
        counters.xadd(key, {"at": at, "text": text})
    answered(asked, counters, row_of("a red mug"))
    assert "".join(asked.pieces(5)) == "a red mug"


@pytest.mark.parametrize(
    "fields",
    [
        {"x": "y"},
        {"at": "-1", "text": "b"},
        {"at": "²", "text": "b"},
        {"at": "9" * 5_000, "text": "b"},
        {"at": "", "text": ""},
    ],
)
def test_entries_that_are_none_are_passed_over(fields: dict[str, str], asked: Ask, counters: redis.Redis) -> None:
    counters.xadd(f"{TOLD}{asked.id}", fields)
    answered(asked, counters, row_of("a mug"))
    assert "".join(asked.pieces(5)) == "a mug"


def test_a_text_that_was_begun_anew_and_is_another_is_told(asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    told(streams, asked, counters, iter(["a blue "]), "a red mug")

    pieces = asked.pieces(5)
    assert next(pieces) == "a blue "
    with pytest.raises(AskpixError, match="begun anew, and came out otherwise"):
        next(pieces)
    assert asked.get(5).answers[0].text == "a red mug"


def test_a_stream_that_has_ended_stays_for_whoever_comes_later(
    asked: Ask, streams: Streams, counters: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a sign of life that is under way when the answer ends.
    begun, ending = threading.Event(), threading.Event()
    execute = Pipeline.execute

    def slow(pipe: Pipeline, *arguments: bool, **named: bool) -> list[object]:
        if threading.current_thread().name == "askpix-streams" and not begun.is_set():
            begun.set()
            ending.wait(1)
        return execute(pipe, *arguments, **named)

    stream = streams.open(asked.id)
    stream.begin()
    monkeypatch.setattr(streaming, "TOLD_SECONDS", 5)
    monkeypatch.setattr(Pipeline, "execute", slow)
    assert begun.wait(10)

    # When
    streams.end(stream)
    ending.set()

    # Then
    streams.close()
    assert counters.ttl(stream.told) > 50


def test_an_error_ends_the_pieces_and_is_in_the_row(asked: Ask, streams: Streams, counters: redis.Redis) -> None:
    stream = streams.open(asked.id)
    stream.begin()
    stream.tell(iter(["a red"]), give_up=nothing)
    failed = replace(ROW, status=Status.ERROR, answers=(), error_code="deadline", error_message="late", retryable=True)
    answered(asked, counters, failed)
    streams.end(stream)

    assert list(asked.pieces(5)) == ["a red"]
    assert asked.get(5).error_code == "deadline"


def test_a_refusal_is_raised(asked: Ask, counters: redis.Redis) -> None:
    result = {"exc_type": "MessageError", "exc_message": ["no"], "exc_module": MessageError.__module__}
    counters.set(f"askpix:celery-task-meta-{asked.id}", json.dumps({"status": "FAILURE", "result": result}), ex=60)
    with pytest.raises(MessageError, match="no"):
        list(asked.pieces(5))


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
    time.sleep(1.0)
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


def test_an_ask_that_is_not_streamed_comes_in_one_piece_and_cannot_be_cancelled(
    client: Client, counters: redis.Redis
) -> None:
    plain = client.ask(IMAGE, "what?", model="m")
    answered(plain, counters, row_of("a mug"))

    assert list(plain.pieces(5)) == ["a mug"]
    with pytest.raises(InputError, match="ask with stream=True"):
        plain.cancel()
    assert not counters.exists(f"{HEARD}{plain.id}")


def test_workers_of_a_version_before_take_what_is_not_streamed(client: Client, counters: redis.Redis) -> None:
    told_of = []
    for stream in (False, True):
        client.ask(IMAGE, model="of-before", stream=stream)
        entry = json.loads(counters.lindex("askpix:of-before.ask", 0))
        (arguments, _, _) = json.loads(base64.b64decode(entry["body"]))
        told_of.append(arguments[0].get("stream"))
    assert told_of == [None, True]


def test_of_several_questions_none_is_streamed(client: Client) -> None:
    with pytest.raises(InputError, match="ask them one by one"):
        client.ask(IMAGE, ["what?", Question("where?")], model="m", stream=True)
    with pytest.raises(MessageError, match="ask them one by one"):
        AskMessage.parse({"model": "m", "image": IMAGE, "questions": ["a", "b"], "stream": True})
