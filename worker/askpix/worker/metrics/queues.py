"""How much waits in a worker's queues, and for how long, looked at now and then however often somebody asks."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from askpix.producer.messages import QUEUED_HEADER, queued_at
from askpix.producer.redis_keys import queue_key

_log = logging.getLogger(__name__)

_FRESH_SECONDS = 2.0
_PATIENCE_SECONDS = 1.0
"""That who asks waits for a look that is under way. The broker may not answer; who asks has to be answered."""

_OLD_SECONDS = 30.0
"""After which a look says nothing any more."""

_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""What kombu puts behind the name of a queue for each priority; askpix has none, other clients may."""

_TAIL = 16_384
"""Characters of a message, from its end, that are looked at. An ask may be of 28 million, most of it an image, and its
headers come last."""

# KEYS: lists. ARGV: how much of a message to look at, and the header. Returns for each list its length, and the moment
# that its oldest message says it was queued at, as digits.
_LOOK = """
local found = {}
for place, key in ipairs(KEYS) do
  local oldest = redis.call('LINDEX', key, -1)
  local moment = oldest and string.match(string.sub(oldest, -ARGV[1]), '"' .. ARGV[2] .. '": ?([0-9.]+)')
  found[place] = {redis.call('LLEN', key), moment and string.sub(moment, 1, 30) or ''}
end
return found
"""


_REFUSED = re.compile(r"executing the script can't run|ACL failure in script|unknown command")
"""How Redis up to 7.0, and since, says that a script may not run a command; and how any says that there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What waits in a queue."""

    messages: int
    oldest: float | None
    """Seconds since the message that waits longest was queued; None where it does not say."""


class QueueWatch:
    """Looks at queues in a thread of its own, since a broker that hangs must not keep who asks.

    Args:
        names: of queues.
    """

    def __init__(self, client: redis.Redis, names: Sequence[str]) -> None:
        self._redis = client
        self._names = names
        self._found: Mapping[str, Waiting] = {}
        self._found_at = float("-inf")
        self._looking: threading.Event | None = None
        """Set when the look that is under way has ended."""
        self._lock = threading.Lock()
        self._by_script = True

    def read(self) -> Mapping[str, Waiting] | None:
        """Returns what waits, by queue, as of a moment ago; None where the broker does not say."""
        with self._lock:
            if self._age() <= _FRESH_SECONDS:
                return self._found
            if (looking := self._looking) is None:
                looking = self._looking = threading.Event()
                threading.Thread(target=self._look, args=(looking,), name="askpix-queues", daemon=True).start()
        looking.wait(_PATIENCE_SECONDS)
        with self._lock:
            return self._found if self._age() <= _OLD_SECONDS else None

    def _age(self) -> float:
        return time.monotonic() - self._found_at

    def _look(self, looking: threading.Event) -> None:
        try:
            found = self._waiting()
            with self._lock:
                self._found, self._found_at = found, time.monotonic()
        except redis.RedisError as error:
            _log.debug("the queues cannot be looked at: %s", error)
        except Exception:  # noqa: BLE001 - the next look may do better
            _log.exception("looking at the queues failed")
        finally:
            with self._lock:
                self._looking = None
            looking.set()

    def _waiting(self) -> Mapping[str, Waiting]:
        keys = [f"{queue_key(name)}{priority}" for name in self._names for priority in _PRIORITIES]
        found = self._looked_into(keys)
        every = len(_PRIORITIES)
        return {name: _together(found[place * every : (place + 1) * every]) for place, name in enumerate(self._names)}

    def _looked_into(self, keys: Sequence[str]) -> list[tuple[int, str]]:
        if self._by_script:
            try:
                answer: Any = self._redis.eval(_LOOK, len(keys), *keys, str(_TAIL), QUEUED_HEADER)
            except redis.ResponseError as error:
                if not _refused(error):
                    raise
                # A user of the broker that may not look into messages can still count them.
                self._by_script = False
                _log.warning("how long messages have waited is not known: %s", error)
            else:
                return [(int(length), str(moment)) for length, moment in answer]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.llen(key)
            return [(int(length), "") for length in pipe.execute()]


def _refused(error: redis.ResponseError) -> bool:
    """Returns whether the broker will say so again: another error, as that it is busy, passes."""
    return isinstance(error, redis.exceptions.NoPermissionError) or _REFUSED.search(str(error)) is not None


def _together(lists: Sequence[tuple[int, str]]) -> Waiting:
    messages = sum(length for length, _ in lists)
    if not messages:
        return Waiting(messages=0, oldest=0.0)
    now = time.time()
    moments = [moment for length, digits in lists if length and (moment := queued_at(_number(digits), now)) is not None]
    return Waiting(messages=messages, oldest=max(0.0, now - min(moments)) if moments else None)


def _number(digits: str) -> float | None:
    try:
        return float(digits)
    except ValueError:
        return None
