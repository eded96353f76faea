"""Where Celery keeps the answers to asks: in the broker's own server, by connections of our own making."""

from __future__ import annotations

from typing import Any

from celery.backends.redis import RedisBackend

from askpix.producer.connections import pool_at


class Answers(RedisBackend):  # type: ignore[misc]
    """Celery's results in Redis, at the app's place."""

    def _get_pool(self, **params: Any) -> Any:
        names = ("max_connections", "socket_timeout", "socket_connect_timeout", "socket_keepalive")
        return pool_at(self.app.place, **{name: params[name] for name in names if name in params})
