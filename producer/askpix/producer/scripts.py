"""Scripts that Redis runs: by their digests, since their texts are longer than all else that is sent for a part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import redis
from redis.exceptions import NoScriptError


def run_script(client: redis.Redis, text: str, keys: Sequence[str], *arguments: str | bytes) -> Any:
    """Returns what a script does; sends its text only where the server does not know it yet, or any more.

    Raises:
        redis.RedisError: the server does not answer, or the script fails.
    """
    try:
        return client.evalsha(_digest(text), len(keys), *keys, *arguments)
    except NoScriptError:
        return client.eval(text, len(keys), *keys, *arguments)


@cache
def _digest(text: str) -> str:
    # Redis' own name for a script, no secret.
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
