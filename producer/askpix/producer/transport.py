"""How Celery reaches the broker: by kombu's transport for Redis, on connections of our own making."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from kombu import Connection
from kombu.transport import redis

from askpix.producer.broker_url import REDIS_PORT, Place
from askpix.producer.connections import pool_at


class Channel(redis.Channel):  # type: ignore[misc]
    """A channel to the master at a place: a transport option, so that it comes with the connection."""

    from_transport_options = (*redis.Channel.from_transport_options, "place")

    place: Place
    keyprefix_fanout: str

    def _get_pool(self, asynchronous: bool = False) -> Any:
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=self.place.database)
        options = {name: getattr(self, name) for name in _OPTIONS}
        return pool_at(self.place, refine=self._watched if asynchronous else None, **options)

    def _watched(self, kind: type[Any]) -> type[Any]:
        """Returns connections at whose end kombu's event loop hears of it."""
        channel = self

        class Watched(kind):  # type: ignore[misc]
            def disconnect(self, *arguments: Any, **named: Any) -> None:
                super().disconnect(*arguments, **named)
                if channel._registered:
                    channel._on_connection_disconnect(self)

        return Watched


_OPTIONS = ("max_connections", "socket_timeout", "socket_connect_timeout", "socket_keepalive", "health_check_interval")
"""What a channel takes from the transport options for its connections."""


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel


TRANSPORT = f"{Transport.__module__}:{Transport.__qualname__}"
"""By which kombu finds it, also where it makes a connection after another."""


class BrokerConnection(Connection):  # type: ignore[misc]
    """A connection to the master at a place."""

    def as_uri(self, include_password: bool = False, mask: str = "**", getfields: Any = None) -> str:  # noqa: ARG002 - as in kombu
        """Returns where the broker is, never with a password."""
        return str(self.transport_options["place"])


def kombu_url(place: Place) -> str:
    """Returns a URL that kombu takes: it tells places apart by it, and connects by what `Channel` knows."""
    host, port = place.hosts[0] if place.hosts else ("localhost", REDIS_PORT)
    url = f"redis://{_login(place)}{f'[{host}]' if ':' in host else host}:{port}/{place.database}"
    if place.tls is None or place.master:
        return url
    options = {name: str(value).lower() if isinstance(value, bool) else value for name, value in place.tls.items()}
    return f"rediss{url.removeprefix('redis')}?{urlencode(options)}"


def _login(place: Place) -> str:
    user, password = quote(place.username or "", safe=""), quote(place.password or "", safe="")
    return f"{user}:{password}@" if user or password else ""
