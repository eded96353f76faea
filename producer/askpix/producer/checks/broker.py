"""Whether the broker is there, is set up for a queue, and lets askpix do what it does."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from askpix.producer.broker import redis_client
from askpix.producer.broker_errors import explained
from askpix.producer.broker_url import Place, place_of
from askpix.producer.checks.finding import Finding, Mark
from askpix.producer.checks.rights import check_rights
from askpix.producer.errors import AskpixError
from askpix.producer.masking import Masking
from askpix.producer.registry import Registry

_OLDEST = (6, 2)
"""Version of Redis that Celery's transport needs."""

_CLOCK_SECONDS = 5.0
"""By which clocks may differ. Asks end by the clocks of those who asked."""

_FULL = 0.9
"""Of the memory that the broker may take, above which it is soon full."""

_finding = partial(Finding, about="broker")
_wrong, _ok, _note = (partial(_finding, mark=mark) for mark in (Mark.WRONG, Mark.OK, Mark.NOTE))


def check_broker(broker_url: SecretStr) -> Iterator[Finding]:
    """Yields what came of each thing that is tried at the broker; no key of it is left."""
    try:
        place = place_of(broker_url)
        client = redis_client(broker_url)
    except AskpixError as error:
        yield _wrong(what="address", said=str(error))
        return
    # A server that does not answer is to be told of at once.
    client.set_retry(Retry(NoBackoff(), 0))
    with client:
        try:
            started = time.perf_counter()
            client.ping()
        except (redis.RedisError, OSError) as error:
            yield _wrong(what="answer", said=_no_answer(error, broker_url, place))
            for what in ("version", "role", "memory", "clock", "rights"):
                yield _finding(what=what, mark=Mark.SKIPPED, said="the broker does not answer")
            return
        yield _ok(what="answer", said=f"{place} answers in {(time.perf_counter() - started) * 1e3:.1f} ms")
        try:
            yield from _server(client)
            yield _clock(client)
            yield from check_rights(client)
        except (redis.RedisError, OSError) as error:
            yield _wrong(what="answer", said=_no_answer(error, broker_url, place))


def check_workers(broker_url: SecretStr) -> Iterator[Finding]:
    """Yields a finding for each model that a live worker serves."""
    found = partial(Finding, about="workers")
    try:
        with redis_client(broker_url) as client:
            client.set_retry(Retry(NoBackoff(), 0))
            workers = Registry(client).workers()
    except (AskpixError, redis.RedisError, OSError):
        yield found(what="live", mark=Mark.SKIPPED, said="the broker does not say")
        return
    for worker in workers:
        for model in worker.models:
            said = f"{worker.name} serves it on {model.device} in {model.precision}, with {worker.parts} parts in work"
            yield found(what=model.name, mark=Mark.OK, said=said)
    if not workers:
        said = "none is running: jobs wait until one is; `askpix worker` starts one"
        yield found(what="live", mark=Mark.NOTE, said=said)


def _no_answer(error: BaseException, broker_url: SecretStr, place: Place) -> str:
    """Returns why a broker did not answer, and what to do."""
    if isinstance(error, redis.AuthenticationError):
        if place.password is None:
            return (
                f"{place} wants a password: write it into ASKPIX_BROKER_URL, as in redis://:PASSWORD@host, "
                "or name a file that holds it in ASKPIX_BROKER_PASSWORD_FILE"
            )
        return f"{place} does not take this user and password: check ASKPIX_BROKER_URL and ASKPIX_BROKER_PASSWORD_FILE"
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return f"{place} did not answer in time: it hangs, or something on the way drops what is sent"
    if isinstance(error, redis.BusyLoadingError):
        return f"{place} is still loading what it has on disk: wait a little"
    # What the client says, it may say with the URL.
    return f"{place}: {Masking((broker_url.get_secret_value(),))(str(explained(error)))}"


def _server(client: redis.Redis) -> Iterator[Finding]:
    """Yields how the server is set up, as far as this user may know."""
    hello, info = _told(client, "HELLO"), _told(client, "INFO", "ALL")
    version = str(info.get("redis_version") or hello.get("version") or "")
    yield _version(version, info)
    role = str(info.get("role") or hello.get("role") or "")
    if role in ("slave", "replica"):
        yield _wrong(what="role", said="it is a replica, which takes no jobs: give the address of its master")
    elif role:
        yield _ok(what="role", said=role)
    if not info:
        said = "this user may not INFO: whether it evicts keys, keeps a file and has memory left is not known"
        yield _note(what="memory", said=said)
        return
    yield _eviction(info)
    yield _memory(info)
    yield _persistence(info)


def _told(client: redis.Redis, *command: str) -> Mapping[str, Any]:
    """Returns what a command tells by name; nothing where this user may not use it, or the server does not know it."""
    try:
        told = client.execute_command(*command)  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        return {}
    if isinstance(told, list):
        told = dict(zip(told[::2], told[1::2], strict=False))
    return {_text(name): value for name, value in told.items()} if isinstance(told, dict) else {}


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _version(version: str, info: Mapping[str, Any]) -> Finding:
    name = f"Valkey {info['valkey_version']}, as Redis {version}" if "valkey_version" in info else f"Redis {version}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if not numbers:
        return _note(what="version", said="it does not say")
    if numbers < _OLDEST:
        return _wrong(what="version", said=f"{name} is too old: askpix needs 6.2 or later")
    return _ok(what="version", said=name)


def _eviction(info: Mapping[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", ""))
    if policy == "noeviction":
        return _ok(what="maxmemory-policy", said=policy)
    if not policy:
        return _note(what="maxmemory-policy", said="it does not say; it must be noeviction")
    said = f"{policy} throws messages away when memory is full: set maxmemory-policy noeviction"
    return _wrong(what="maxmemory-policy", said=said)


def _memory(info: Mapping[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most == 0:
        said = f"{used / 1e6:,.0f} MB in use, and no limit: set maxmemory below what the machine has"
        return _note(what="memory", said=said)
    said = f"{used / 1e6:,.0f} of {most / 1e6:,.0f} MB in use"
    if used > _FULL * most:
        return _wrong(what="memory", said=f"{said}: it is full, or nearly; raise maxmemory, or see what fills it")
    return _ok(what="memory", said=said)


def _persistence(info: Mapping[str, Any]) -> Finding:
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        said = "it could not write to its disk when it last tried: see its log, and whether the disk is full"
        return _wrong(what="appendonly", said=said)
    if int(info.get("aof_enabled", 0)):
        return _ok(what="appendonly", said="yes")
    said = "no: what waits is queued again by its folder after a restart; asks are lost. Set appendonly yes"
    return _note(what="appendonly", said=said)


def _clock(client: redis.Redis) -> Finding:
    try:
        before = time.time()
        seconds, micros = client.time()
        here = (before + time.time()) / 2
    except redis.exceptions.NoPermissionError:
        return _finding(what="clock", mark=Mark.SKIPPED, said="this user may not TIME")
    ahead = float(seconds) + float(micros) / 1e6 - here
    said = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) > _CLOCK_SECONDS:
        return _wrong(what="clock", said=f"{said}: have both set by NTP")
    return _ok(what="clock", said=said)
