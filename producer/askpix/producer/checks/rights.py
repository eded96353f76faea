"""Whether a user of the broker may do what askpix does: each command is tried, at keys of our own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import redis

from askpix.producer.broker_errors import short
from askpix.producer.checks.finding import Finding, Mark
from askpix.producer.errors import BrokerError
from askpix.producer.redis_keys import ANSWERS, KEY_PREFIX

_COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("text", ("SET", "{}", "1", "EX", "60")),
    ("text", ("SETEX", "{}", "60", "1")),
    ("text", ("GET", "{}")),
    ("text", ("EXISTS", "{}")),
    ("text", ("EXPIRE", "{}", "60")),
    ("text", ("PEXPIRE", "{}", "60000")),
    ("text", ("PTTL", "{}")),
    ("text", ("PERSIST", "{}")),
    ("bits", ("SETBIT", "{}", "7", "1")),
    ("bits", ("GETBIT", "{}", "7")),
    ("list", ("LPUSH", "{}", "a", "b", "c")),
    ("list", ("RPUSH", "{}", "d")),
    ("list", ("LLEN", "{}")),
    ("list", ("LRANGE", "{}", "0", "-1")),
    ("list", ("LREM", "{}", "1", "d")),
    ("list", ("LTRIM", "{}", "0", "9")),
    ("list", ("LINDEX", "{}", "-1")),
    ("list", ("BRPOP", "{}", "1")),
    ("hash", ("HSET", "{}", "field", "1")),
    ("hash", ("HGET", "{}", "field")),
    ("hash", ("HMGET", "{}", "field")),
    ("hash", ("HGETALL", "{}")),
    ("hash", ("HVALS", "{}")),
    ("hash", ("HLEN", "{}")),
    ("hash", ("HEXISTS", "{}", "field")),
    ("hash", ("HINCRBY", "{}", "field", "1")),
    ("hash", ("HSCAN", "{}", "0")),
    ("hash", ("HDEL", "{}", "field")),
    ("zset", ("ZADD", "{}", "1", "a")),
    ("zset", ("ZRANGE", "{}", "0", "-1")),
    ("zset", ("ZREVRANGEBYSCORE", "{}", "2", "0")),
    ("zset", ("ZREM", "{}", "a")),
    ("set", ("SADD", "{}", "a")),
    ("set", ("SMEMBERS", "{}")),
    ("stream", ("XADD", "{}", "*", "at", "0")),
    ("stream", ("XREAD", "COUNT", "1", "STREAMS", "{}", "0")),
    ("text", ("TIME",)),
    ("text", ("EVAL", "return redis.call('EXISTS', KEYS[1])", "1", "{}")),
    ("text", ("SCRIPT LOAD", "return 1")),
    ("text", ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0")),
    ("channel", ("PUBLISH", "{}", "askpix tries whether it may")),
    ("text", ("WATCH", "{}")),
    ("text", ("UNWATCH",)),
    ("text", ("MULTI",)),
    ("text", ("EXEC",)),
    ("text", ("DEL", "{}")),
)
"""What askpix, Celery and kombu send, each with the kind of its key; {} stands for the key. In this order each finds
what it needs, at least where all are allowed."""

_MISSING = re.compile(r"run the '([^']+)' command")

_finding = partial(Finding, about="broker", what="rights")


def check_rights(client: redis.Redis) -> Iterator[Finding]:
    """Yields whether all that askpix does is allowed; names what is not.

    Raises:
        redis.RedisError: the broker does not answer any more.
    """
    scratch = f"{KEY_PREFIX}check:{secrets.token_hex(8)}"
    keys = {kind: f"{scratch}:{kind}" for kind, _ in _COMMANDS}
    # Where answers are told.
    keys["channel"] = f"{ANSWERS}check-{secrets.token_hex(8)}"
    missing: dict[str, None] = {}
    try:
        for kind, command in _COMMANDS:
            if right := _missing(client, [keys[kind] if word == "{}" else word for word in command]):
                missing[right] = None
        if right := _listening(client, keys["channel"]):
            missing[right] = None
    except BrokerError as error:
        yield _finding(mark=Mark.WRONG, said=str(error))
        return
    finally:
        with suppress(redis.RedisError):
            client.delete(*keys.values())
    if missing:
        needed = " ".join(missing)
        said = (
            f"this user may not do all that a worker does: add {needed} to its ACL. "
            "Users who only submit or look on need less: see docs/redis.md"
        )
        yield _finding(mark=Mark.WRONG, said=said)
    else:
        yield _finding(mark=Mark.OK, said=f"all {len(_COMMANDS) + 1} commands that askpix needs are allowed")


def _missing(client: redis.Redis, command: list[str]) -> str | None:
    """Returns what is to be added to an ACL for a command to be allowed.

    Raises:
        BrokerError: the server takes no writes, whoever asks.
        redis.RedisError: it does not answer any more.
    """
    try:
        client.execute_command(*command)  # type: ignore[no-untyped-call]
    except redis.exceptions.NoPermissionError as error:
        return _right(str(error), command[0])
    except redis.OutOfMemoryError:
        raise BrokerError("its memory is full (its maxmemory): it takes no more jobs") from None
    except redis.ConnectionError as error:
        if not isinstance(error.__cause__, redis.ReadOnlyError):
            raise
        raise BrokerError("it takes no writes: it is a replica, or another is taking over") from None
    except redis.ResponseError as error:
        if "MISCONF" in str(error):
            raise BrokerError(f"it takes no writes, since it cannot write to its disk: {short(error)}") from None
        # It found not what the one before it would have made, which was not allowed.
    return None


def _listening(client: redis.Redis, channel: str) -> str | None:
    """Returns what is missing for listening to a channel."""
    try:
        with client.pubsub() as listening:  # type: ignore[no-untyped-call]
            listening.subscribe(channel)
            listening.get_message(timeout=5)
            listening.unsubscribe(channel)
            listening.get_message(timeout=5)
    except redis.exceptions.NoPermissionError as error:
        return _right(str(error), "SUBSCRIBE")
    return None


def _right(said: str, command: str) -> str:
    """Returns what to add to a user's ACL, by the server's refusal."""
    if found := _MISSING.search(said):
        return f"+{found[1].lower()}"
    if "channel" in said:
        return f"&{ANSWERS}*"
    if "key" in said:
        return f"~{KEY_PREFIX}*"
    return f"+{command.lower().replace(' ', '|')}"
