"""What of a queue's entries reaches Celery: messages of one form, written anew; for the rest, one line each."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from celery import Celery
from kombu.transport.virtual import Message

from askpix.producer.messages import ASK_TASK, PART_TASK
from askpix.producer.queues import queue_name
from askpix.worker.intake import RefusedError, accepted

PARTS = queue_name("m")
ASKS = queue_name("m", "cpu", ask=True)
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def coded(body: Any) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def entry(task: str = PART_TASK, body: Any = None, **headers: Any) -> dict[str, Any]:
    """Returns an entry as Celery and kombu write it."""
    return {
        "body": coded([[{"v": 1}], {}, EMBED] if body is None else body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": "6c0e7d1a",
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "retries": 0,
            "timelimit": [None, None],
            "argsrepr": "([{'v': 1}],)",
            "origin": "gen1@host",
            "ignore_result": True,
            "stamps": {},
            **headers,
        },
        "properties": {
            "correlation_id": "6c0e7d1a",
            "reply_to": "b4a1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": PARTS},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "d1",
        },
    }


def refused(item: Any, queue: str = PARTS) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        accepted(item if isinstance(item, str | bytes) else json.dumps(item), queue)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return caught.value


def test_what_celery_sends_is_taken() -> None:
    # Given: what a Celery client really writes.
    written: list[Any] = []
    app = Celery(broker="memory://", set_as_current=False)
    with app.producer_or_acquire() as producer:
        producer.channel._put = lambda queue, message, **_: written.append((queue, message))
        app.send_task(ASK_TASK, [{"v": 1}], queue=ASKS, expires=60, producer=producer)
    ((queue, message),) = written

    # When
    taken = accepted(json.dumps(message), queue)

    # Then
    assert taken["headers"]["id"] == message["headers"]["id"]
    assert taken["headers"]["expires"] == message["headers"]["expires"]
    assert taken["body"] == message["body"]


def test_celery_is_given_what_it_needs_and_nothing_else() -> None:
    taken = accepted(json.dumps(entry(shadow="a name of another", replaced_task_nesting="x", stamped_headers=7)), PARTS)

    assert taken["headers"] == {"task": PART_TASK, "id": "6c0e7d1a", "expires": None, "ignore_result": True}
    assert taken["properties"]["delivery_tag"] != "d1"
    (message,) = [Message(taken, channel=_Decoder())]
    assert message.payload == [[{"v": 1}], {}, EMBED]


def test_a_message_returns_to_the_queue_that_it_came_from_whatever_it_says() -> None:
    taken = accepted(json.dumps(entry()), "m.cpu")

    assert taken["properties"]["delivery_info"] == {"exchange": "", "routing_key": "m.cpu"}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (None, None),
        ("2031-05-06T07:08:09+02:00", "2031-05-06T05:08:09+00:00"),
        ("2031-05-06T07:08:09.5Z", "2031-05-06T07:08:09.500000+00:00"),
        ("2031-05-06T07:08:09", "2031-05-06T07:08:09+00:00"),
    ],
)
def test_an_expiry_is_a_date_in_utc(given: str | None, taken: str | None) -> None:
    assert accepted(json.dumps(entry(expires=given)), PARTS)["headers"]["expires"] == taken


def without(*path: str) -> dict[str, Any]:
    whole = entry()
    place = whole
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return whole


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


MALFORMED: dict[str, Any] = {
    "a number": "5",
    "no JSON": "not json",
    "nothing": "",
    "no text": b"\xff\xfe",
    "an empty object": "{}",
    "a list": "[]",
    "null": "null",
    "endless nesting": "[" * 100_000,
    "an unknown type of Celery's": '{"__type__": "gone", "__value__": 1}',
    "a broken type of Celery's": '{"__type__": "uuid", "__value__": []}',
    "a list as such a type": '{"__type__": ["uuid"], "__value__": 1}',
    "no properties": without("properties"),
    "no headers": without("headers"),
    "no body": without("body"),
    "no content type": without("content-type"),
    "headers that are a list": {**entry(), "headers": []},
    "properties that are text": {**entry(), "properties": "x"},
    "a body that is an object": {**entry(), "body": {}},
    "a body that is no base64": {**entry(), "body": "%%%"},
    "an unknown encoding of the body": {**entry(), "properties": {"body_encoding": "rot13"}},
    "another charset": {**entry(), "content-encoding": "utf-16"},
    "pickle": {**entry(), "content-type": "application/x-python-serialize"},
    "a compressed body": entry(compression="application/x-gzip"),
    "an unknown task": entry("os.system"),
    "a task of Celery's": entry("celery.chord"),
    "a task that is a list": entry(task=["askpix.part"]),
    "no task": without("headers", "task"),
    "no id": without("headers", "id"),
    "an id that is a number": entry(id=5),
    "an id with a line": entry(id="a\nb"),
    "an endless id": entry(id="i" * 201),
    "a body of 5": entry(body=5),
    "a body of null": {**entry(), "body": base64.b64encode(b"null").decode()},
    "a body that is an object ": entry(body={"args": [], "kwargs": {}}),
    "a body without embed": entry(body=[[], {}]),
    "an embed that is text": entry(body=[[], {}, "str"]),
    "arguments that are a number": entry(body=[5, {}, {}]),
    "named arguments that are a list": entry(body=[[], [], {}]),
    "arguments in arguments in arguments": entry(body=[nested(50), {}, {}]),
    "callbacks": entry(body=[[], {}, {"callbacks": [{"task": "x"}]}]),
    "errbacks": entry(body=[[], {}, {"errbacks": [1]}]),
    "a chain": entry(body=[[], {}, {"chain": [1]}]),
    "a chord": entry(body=[[], {}, {"chord": {"task": "x"}}]),
    "a time to begin": entry(eta="2031-05-06T07:08:09+00:00"),
    "a time limit": entry(timelimit=[1, None]),
    "a time limit that is a number": entry(timelimit=5),
    "three time limits": entry(timelimit=[None] * 3),
    "a group": entry(group="g"),
    "retries that are text": entry(retries="x"),
    "an expiry that is a number": entry(expires=5),
    "an expiry that is no date": entry(expires="soon"),
    "an expiry beyond all dates": entry(expires="0001-01-01T00:00:00+23:00"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_not_of_the_form_is_refused(what: str) -> None:
    assert refused(MALFORMED[what]).reason == "malformed"


@pytest.mark.parametrize(("task", "queue"), [(PART_TASK, ASKS), (ASK_TASK, PARTS), (ASK_TASK, "m.cpu")])
def test_parts_and_asks_come_by_queues_of_their_own(task: str, queue: str) -> None:
    assert refused(entry(task), queue).reason == "wrong_queue"


def test_a_refusal_knows_who_asked() -> None:
    assert refused(entry(ASK_TASK, eta="2031-05-06T07:08:09+00:00"), ASKS).ask == "6c0e7d1a"
    assert refused(entry(ASK_TASK), PARTS).ask == "6c0e7d1a"
    assert refused(entry(ASK_TASK, body=5), ASKS).ask == "6c0e7d1a"
    assert refused(entry(ASK_TASK, id="a\nb"), ASKS).ask is None
    assert refused(entry(PART_TASK, body=5)).ask is None


class _Decoder:
    """The part of a channel that messages use."""

    def decode_body(self, body: str, encoding: str | None) -> bytes | str:
        return base64.b64decode(body) if encoding == "base64" else body


ODD: list[Any] = [None, True, 0, -1, 5.5, 1e400, "", "x", [], {}, [None], {"a": 1}, [[]], "2031-05-06", 10**30]


def test_whatever_the_entry_it_is_taken_or_refused() -> None:
    # Given: entries of which any one or two places hold something odd.
    chance = random.Random(5)
    places: list[Callable[[dict[str, Any], Any], None]] = [
        *(lambda e, v, k=key: e.__setitem__(k, v) for key in entry()),
        *(lambda e, v, k=key: e["headers"].__setitem__(k, v) for key in entry()["headers"]),
        *(lambda e, v, k=key: e["properties"].__setitem__(k, v) for key in entry()["properties"]),
        lambda e, v: e.__setitem__("body", coded(v)),
        *(lambda e, v, n=n: e.__setitem__("body", coded([*[[], {}, {}][:n], v])) for n in range(4)),
        *(lambda e, v, k=key: e.__setitem__("body", coded([[], {}, {k: v}])) for key in EMBED),
    ]

    taken = 0
    for _ in range(5_000):
        made = entry()
        for place in chance.sample(places, chance.choice([1, 2])):
            try:
                place(made, deepcopy(chance.choice(ODD)))
            except (TypeError, AttributeError):  # the place is not there any more
                continue
        # When
        try:
            message = accepted(json.dumps(made), PARTS)
        except RefusedError:
            continue
        # Then: what is taken, kombu can read.
        args, kwargs, _ = Message(message, channel=_Decoder()).payload
        assert (type(args), type(kwargs)) == (list, dict)
        taken += 1
    assert 100 < taken < 4_900


def test_the_moment_of_queueing_stays_with_a_message_that_may_go_back() -> None:
    moment = time.time() - 60

    taken = accepted(json.dumps(entry(askpix_queued=moment)), PARTS)

    assert taken["headers"]["askpix_queued"] == moment
    assert accepted(json.dumps(taken), PARTS)["headers"]["askpix_queued"] == moment


@pytest.mark.parametrize(
    "told",
    [None, True, "1700000000", [1_700_000_000], {}, -1, 0, 12.5, 1e300, float("nan"), float("inf"), int("9" * 400)],
)
def test_a_moment_that_is_none_is_left_out_and_the_message_taken(told: object) -> None:
    taken = accepted(json.dumps(entry(askpix_queued=told)), PARTS)

    assert "askpix_queued" not in taken["headers"]


def test_a_clock_may_be_ahead_by_a_day_and_no_more() -> None:
    now = time.time()
    assert "askpix_queued" in accepted(json.dumps(entry(askpix_queued=now + 3_600)), PARTS)["headers"]
    assert "askpix_queued" not in accepted(json.dumps(entry(askpix_queued=now + 200_000)), PARTS)["headers"]
