"""Messages that dead workers had taken: kombu keeps them for its visibility timeout, and then delivers them again.

By then their parts are long done by others, who were found by leases. So they are removed when their job has ended.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import redis

from askpix.producer.messages import PART_TASK
from askpix.producer.redis_keys import UNACKED, UNACKED_SINCE


def remove_leftovers(client: redis.Redis, job: str) -> int:
    """Removes the messages of a job that has ended from those that workers have taken; returns how many there were.

    That of a worker which has not yet acknowledged its own is among them, and its acknowledgement then changes nothing.
    """
    tags = [tag for tag, entry in _entries(client) if _job_of(entry) == job]
    if tags:
        client.hdel(UNACKED, *tags)
        client.zrem(UNACKED_SINCE, *tags)
    return len(tags)


def _entries(client: redis.Redis) -> Iterator[tuple[str, str]]:
    # As many as all workers have in work, and those of the dead.
    yield from client.hscan_iter(UNACKED)


def _job_of(entry: str) -> str | None:
    """Returns the job of a part's message as kombu keeps it; None for any other message."""
    try:
        message, *_ = json.loads(entry)
        if message["headers"]["task"] != PART_TASK:
            return None
        body = message["body"]
        if message["properties"]["body_encoding"] == "base64":
            body = base64.b64decode(body)
        (arguments,), *_ = json.loads(body)
        return str(arguments["job"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
