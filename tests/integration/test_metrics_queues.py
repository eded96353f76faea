"""What a look at the queues finds, whatever is in them and whatever the broker allows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis
from helpers.processes import wait_until
from helpers.system import RedisServer
from pydantic import SecretStr

from askpix.producer.broker import Broker
from askpix.producer.messages import AskMessage, PartMessage
from askpix.worker.metrics import queues
from askpix.worker.metrics.queues import QueueWatch, Waiting


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


@pytest.fixture
def broker(server: RedisServer) -> Iterator[Broker]:
    server.client.flushall()
    broker = Broker(SecretStr(server.url))
    yield broker
    broker.close()


def look(server: RedisServer, *names: str, url: str | None = None) -> dict[str, Waiting]:
    with redis.Redis.from_url(url or server.url, decode_responses=True) as client:
        found = QueueWatch(client, names).read()
    assert found is not None
    return dict(found)


def test_an_empty_queue_has_nothing_that_waits(server: RedisServer, broker: Broker) -> None:
    assert look(server, "m") == {"m": Waiting(messages=0, oldest=0.0)}


def test_the_oldest_message_is_the_one_that_is_taken_next(server: RedisServer, broker: Broker) -> None:
    # Given: what producers send, the first of which says that it was sent a minute ago.
    broker.send_parts([PartMessage(job="/job", part=number) for number in range(3)], "m")
    first = json.loads(server.client.rpop("askpix:m") or "")
    assert abs(first["headers"]["askpix_queued"] - time.time()) < 60
    first["headers"]["askpix_queued"] -= 100
    server.client.rpush("askpix:m", json.dumps(first))

    # When
    found = look(server, "m", "other")

    # Then
    assert found["m"].messages == 3
    assert found["m"].oldest is not None
    assert 100 <= found["m"].oldest < 160
    assert found["other"].messages == 0


def test_an_ask_with_a_large_image_tells_its_age_too(server: RedisServer, broker: Broker) -> None:
    image = "data:image/jpeg," + "\N{SNOWMAN}" * 500_000
    broker.send_ask(AskMessage(model="m", image=image), "m.ask", expires=60)

    (found,) = look(server, "m.ask").values()

    assert found.messages == 1
    assert found.oldest is not None


def test_those_of_other_clients_count_and_may_have_no_age(server: RedisServer, broker: Broker) -> None:
    # Given: messages of another priority, and one that is no message.
    server.client.lpush("askpix:m\x06\x163", json.dumps({"headers": {"task": "askpix.part"}}))
    server.client.lpush("askpix:m\x06\x169", b"\xff\xfe no JSON")

    assert look(server, "m") == {"m": Waiting(messages=2, oldest=None)}


def test_a_user_who_may_not_look_into_messages_counts_them(server: RedisServer, broker: Broker) -> None:
    broker.send_parts([PartMessage(job="/job", part=0)], "m")
    server.client.execute_command("ACL", "SETUSER", "poor", "on", ">secret", "~*", "+@all", "-lindex")

    found = look(server, "m", url=server.url.replace("://", "://poor:secret@"))

    assert found == {"m": Waiting(messages=1, oldest=None)}


def test_a_user_who_may_run_no_scripts_counts_them_too(server: RedisServer, broker: Broker) -> None:
    broker.send_parts([PartMessage(job="/job", part=0)], "m")
    server.client.execute_command("ACL", "SETUSER", "poorer", "on", ">secret", "~*", "+@all", "-eval")

    found = look(server, "m", url=server.url.replace("://", "://poorer:secret@"))

    assert found == {"m": Waiting(messages=1, oldest=None)}


def test_a_broker_that_was_busy_tells_ages_again(
    server: RedisServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: somebody's script that does not end, for which Redis refuses all else.
    monkeypatch.setattr(queues, "_FRESH_SECONDS", 0.0)
    broker.send_parts([PartMessage(job="/job", part=0)], "m")
    before = server.client.config_get("lua-time-limit")
    server.client.config_set("lua-time-limit", 1)

    def endless() -> None:
        with redis.Redis.from_url(server.url) as client, suppress(redis.ResponseError):
            client.eval("while true do end", 0)

    with redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=30) as client:
        watch = QueueWatch(client, ["m"])
        thread = threading.Thread(target=endless)
        thread.start()
        try:
            wait_until(lambda: _busy(client), within=20, what="a busy broker")

            # When
            during = watch.read()
        finally:
            server.client.script_kill()
            thread.join()
            server.client.config_set("lua-time-limit", before["lua-time-limit"])

        # Then
        assert during is None
        wait_until(lambda: bool(watch.read()), within=20, what="a new look")
        found = watch.read()
        assert found is not None
        assert found["m"].oldest is not None


def test_many_who_ask_make_one_look(server: RedisServer, broker: Broker) -> None:
    # Given
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        watch = QueueWatch(client, ["m"])
        before = _scripts(server)

        # When
        threads = [threading.Thread(target=watch.read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        # Then
        assert _scripts(server) == before + 1


def test_a_broker_that_hangs_is_told_after_a_while(
    server: RedisServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a look that is soon old.
    monkeypatch.setattr(queues, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(queues, "_OLD_SECONDS", 0.5)
    with redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=1) as client:
        watch = QueueWatch(client, ["m"])
        assert watch.read() is not None

        # When
        server.freeze()
        try:
            wait_until(lambda: watch.read() is None, within=20, what="an old look")
        finally:
            server.thaw()

        # Then
        wait_until(lambda: watch.read() is not None, within=20, what="a new look")


def _busy(client: redis.Redis) -> bool:
    try:
        client.llen("askpix:m")
    except redis.ResponseError as error:
        return "busy running a script" in str(error)
    return False


def _scripts(server: RedisServer) -> int:
    told = server.client.info("commandstats").get("cmdstat_eval", {"calls": 0})
    return int(told["calls"])
