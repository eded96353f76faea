"""Connections to the broker's Redis server: for counters, for the queue and for answers they are made alike."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection

from askpix.producer.broker_url import Place

_SENTINEL_SECONDS = 2.0
"""In which a sentinel answers, or the next one is asked."""

_OLDEST_TLS = ssl.TLSVersion.TLSv1_2


class _Own:
    """What all connections have in common."""

    driver_info: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The server need not be told which library this is, and a user with few rights may not say.
        self.driver_info = None

    def read_response(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().read_response(*arguments, **named)  # type: ignore[misc]
        except redis.ReadOnlyError as error:
            # Another server has taken over, where a name or an address moves: the next try looks who it is.
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(str(error)) from error


class _Plain(_Own, redis.Connection):
    pass


class _Encrypted(_Own, redis.SSLConnection):
    pass


class _Local(_Own, redis.UnixDomainSocketConnection):
    pass


class _Found(_Own, SentinelManagedConnection):
    pass


class _FoundEncrypted(_Own, SentinelManagedConnection, redis.SSLConnection):
    pass


class _Sentinels(Sentinel):
    """Sentinels that say in words when they know of no master: the library would print its clients."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Returns address and port of the master, as the first sentinel says that knows one which lives.

        Raises:
            MasterNotFoundError: none does.
        """
        why: redis.RedisError | None = None
        answered = False
        for sentinel in self.sentinels:
            try:
                masters: Any = sentinel.sentinel_masters()
            except redis.RedisError as error:  # one that refuses us is as good as one that is gone
                why = error
                continue
            answered, state = True, masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                return state["ip"], state["port"]
        if answered:
            raise MasterNotFoundError(f"the sentinels know no master {service_name!r} that lives")
        if isinstance(why, redis.ResponseError):
            # It is no word on what we may do at the master.
            raise MasterNotFoundError(f"no sentinel answers: {why}")
        raise MasterNotFoundError("no sentinel answers") from why


Refine = Callable[[type[Any]], type[Any]]


def pool_at(place: Place, *, refine: Refine | None = None, **options: Any) -> redis.ConnectionPool:
    """Returns a pool of connections to the server that is the master at the time when one is made.

    Args:
        refine: makes a class of connections out of another.
        options: as redis-py's connections and pools take them.
    """
    keywords: dict[str, Any] = {"db": place.database, "username": place.username, "password": place.password}
    keywords |= options
    tls: dict[str, Any] = {**place.tls, "ssl_min_version": _OLDEST_TLS} if place.tls is not None else {}
    kind = _kind(place)
    keywords["connection_class"] = refine(kind) if refine else kind
    if place.path:
        # A unix socket has no such things.
        for name in ("socket_connect_timeout", "socket_keepalive", "socket_keepalive_options"):
            keywords.pop(name, None)
        return redis.ConnectionPool(path=place.path, **keywords)
    if place.master is None:
        ((host, port),) = place.hosts
        return redis.ConnectionPool(host=host, port=port, **keywords, **tls)
    found = SentinelConnectionPool(place.master, _sentinels(place, tls), **keywords, **tls)  # type: ignore[no-untyped-call]
    assert isinstance(found, redis.ConnectionPool)
    return found


def _kind(place: Place) -> type[Any]:
    if place.path:
        return _Local
    if place.master is None:
        return _Plain if place.tls is None else _Encrypted
    return _Found if place.tls is None else _FoundEncrypted


def _sentinels(place: Place, tls: dict[str, Any]) -> _Sentinels:
    own = {
        "username": place.sentinel_username,
        "password": place.sentinel_password,
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        # Whoever is asked next may know; whoever asks tries again later.
        "retry": Retry(NoBackoff(), 0),
        "ssl": bool(tls),
        **tls,
    }
    return _Sentinels(place.hosts, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
