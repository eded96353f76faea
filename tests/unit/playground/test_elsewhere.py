"""Workers that others share: so many questions at a time, and conversations only where every worker has them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
import redis
from helpers.pictures import jpeg

from askpix.producer.client import Client
from askpix.producer.errors import AskpixError
from askpix.producer.items import Turn
from askpix.producer.registry import Registry, Served, WorkerInfo
from askpix.worker.engine.base import Ability
from askpix.worker.playground.elsewhere import Elsewhere
from askpix.worker.playground.form import asked_of
from askpix.worker.playground.models import Chosen
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told

ASKED = asked_of("what?", "", {}, None)


@pytest.fixture
def elsewhere(broker_url: str) -> Iterator[Elsewhere]:
    source = Elsewhere(Client(broker_url))
    yield source
    source.close()


@pytest.fixture(autouse=True)
def nobody_reads(counters: redis.Redis) -> None:
    for key in _heard(counters):
        counters.delete(key)


@pytest.fixture
def registry(counters: redis.Redis) -> Iterator[Registry]:
    """Knows of no workers."""
    registry = Registry(counters)
    for worker in registry.workers():
        registry.leave(worker.name)
    yield registry
    for worker in registry.workers():
        registry.leave(worker.name)


def _ask(source: Elsewhere, stop: Stop) -> Iterator[Told]:
    return source.tell(Chosen(model="m", precision="auto"), [jpeg()], ASKED, (), stop)


def test_so_many_questions_at_a_time_and_those_that_were_stopped_do_not_count(
    elsewhere: Elsewhere, counters: redis.Redis
) -> None:
    # Given: as many as may be, of which none has begun.
    stop = Stop()
    asked = [_ask(elsewhere, stop if number == 0 else Stop()) for number in range(4)]
    assert [next(one).facts for one in asked] == ["in the queue"] * 4
    with pytest.raises(AskpixError, match="earlier questions are still being answered"):
        next(_ask(elsewhere, Stop()))
    assert len(_heard(counters)) == 4

    # When: one is stopped, and one's page was closed.
    stop.set()
    assert [told.facts for told in asked[0]] == ["stopped"]
    asked[1].close()

    # Then: workers will not begin with these, and two others may be asked.
    assert len(_heard(counters)) == 2
    for _ in range(2):
        asked.append(_ask(elsewhere, Stop()))
        next(asked[-1])
    with pytest.raises(AskpixError, match="earlier questions"):
        next(_ask(elsewhere, Stop()))
    for one in asked:
        one.close()
    assert not _heard(counters)


def test_what_was_stopped_before_it_is_asked_is_given_up_at_once(elsewhere: Elsewhere, counters: redis.Redis) -> None:
    stop = Stop()
    stop.set()
    assert [told.facts for told in _ask(elsewhere, stop)] == ["in the queue", "stopped"]
    assert not _heard(counters)


def _queue(counters: redis.Redis) -> str:
    (name,) = (key for key in counters.keys("*m.ask*") if counters.type(key) == "list")
    return str(name)


def _heard(counters: redis.Redis) -> list[str]:
    """Returns the signs of those who read."""
    return list(counters.keys("askpix:heard:*"))


@pytest.mark.parametrize(
    ("workers", "common"),
    [
        ([("answer", "chat"), ("answer", "chat", "caption")], {Ability.ANSWER, Ability.CHAT}),
        ([("answer", "chat"), ("answer",)], {Ability.ANSWER}),
        ([("answer", "chat"), ()], {Ability.ANSWER}),
        ([("answer", "chat", "telepathy")], {Ability.ANSWER, Ability.CHAT}),
        ([("chat", "images"), ("chat", "images")], {Ability.CHAT, Ability.IMAGES}),
        ([("chat", "images"), ("chat",)], {Ability.CHAT}),
        ([("chat", "images"), ()], {Ability.IMAGES}),
        ([(), ()], None),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_model_can_what_all_its_workers_can(
    workers: list[tuple[str, ...]],
    common: set[Ability] | None,
    turned: bool,
    elsewhere: Elsewhere,
    registry: Registry,
) -> None:
    for number, abilities in enumerate(reversed(workers) if turned else workers):
        served = Served(name="m", fingerprint="f", device="CPU", precision="f32", queues=("m",), abilities=abilities)
        registry.announce(WorkerInfo(name=f"w{number}", models=(served,)))
    (model,) = elsewhere.models()
    assert model.abilities == common
    assert model.chats == (common is not None and Ability.CHAT in common)
    assert model.sees_several == (model.chats and Ability.IMAGES in (common or ()))


def _uri(image: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize(
    ("images", "history", "image", "turns"),
    [
        ([b"a"], [Turn("q", "a", ("x",)), Turn("r", "b")], None, [[b"a"], None]),
        ([b"a"], [], b"a", None),
        ([b"a", b"b"], [Turn("q", "a", ("x",)), Turn("r", "b")], b"b", [[b"a"], None]),
        ([b"a", b"b"], [Turn("q", "a", ("x",)), Turn("r", "b", ("y",))], None, [[b"a"], [b"b"]]),
    ],
)
def test_each_image_is_sent_with_its_turn(
    images: list[bytes],
    history: list[Turn],
    image: bytes | None,
    turns: list[list[bytes] | None] | None,
    elsewhere: Elsewhere,
    counters: redis.Redis,
) -> None:
    asked = elsewhere.tell(Chosen(model="m", precision="auto"), images, ASKED, history, Stop())
    next(asked)

    message = json.loads(base64.b64decode(json.loads(counters.lindex(_queue(counters), 0))["body"]))[0][0]
    assert message.get("image") == (None if image is None else _uri(image))
    told = message.get("history")
    shown = None if told is None else [[*one["images"]] if "images" in one else None for one in told]
    assert shown == (None if turns is None else [one and [*map(_uri, one)] for one in turns])
    asked.close()
