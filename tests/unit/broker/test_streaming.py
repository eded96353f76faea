"""An answer's stream at a real broker: the pieces are the text, whatever is lost on the way, and its end is told."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from helpers.asks import IMAGE, ROW, client
from helpers.lasting import lasts
from helpers.processes import wait_until
from helpers.streams import answered, asked, nothing, row_of, streams, told
from redis.client import Pipeline

from askpix.producer import Ask, AskpixError, Client, MessageError, Question
from askpix.producer.errors import InputError
from askpix.producer.messages import AskMessage
from askpix.producer.redis_keys import HEARD, TOLD
from askpix.producer.rows import Status
from askpix.worker import streaming
from askpix.worker.engine.growing import Growing, pieces_of
from askpix.worker.engine.settled import Settled
from askpix.worker.streaming import Streams

__all__ = ["asked", "client", "streams"]

AWKWARD = (
    "größer 色は赤い、マグ。 🙂🙂 ✓",
    "👩🏽‍🚀 and 🏳️‍🌈, e\u0301, n\u0303o\u0308, \u202eright\u202c to left, שלום",
    "\ufffd\ufffda 한국어 \U0001f9ff\u200d\x1b[31m\r\n\t\0 end",
    "色" * 700,
)


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
            lasts(1e-4)
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
