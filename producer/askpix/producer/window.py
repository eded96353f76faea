"""The window: how many of a job's parts wait in the broker at a time.

The producer queues the first parts; from then on a live worker tops the window up as parts end. Both
call `fill`, one at a time for each job, so that broker memory does not depend on the job's length.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from redis.exceptions import LockError

from askpix.producer.broker import KEY_PREFIX, Broker
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress

STALLED_SECONDS = 10
_CHUNK = 200
_LOCK_SECONDS = 30

# KEYS: hash, bits. ARGV: how many at most. Returns nothing, or epoch, queue, round, where it stands, where
# it gets to, and the parts to queue.
_PICK = """
local f = redis.call('HMGET', KEYS[1], 'state', 'error', 'window', 'sent', 'parts_done', 'before', 'next', 'total',
                     'epoch', 'queue', 'round')
if f[1] ~= 'running' or f[2] then return {} end
local room = math.min(tonumber(ARGV[1]), f[3] - (f[4] - (f[5] - f[6])))
local at, total, picked = tonumber(f[7]), tonumber(f[8]), {}
local first = at
while at < total and #picked < room and at - first < 20000 do
  if redis.call('GETBIT', KEYS[2], at) == 0 then picked[#picked + 1] = tostring(at) end
  at = at + 1
end
if at == first then return {} end
return {f[9], f[10], f[11], tostring(first), tostring(at), unpack(picked)}
"""

# KEYS: hash. ARGV: epoch, where it stood, where it got to, parts queued. A job begun anew in between is left alone.
_ADVANCE = """
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] and redis.call('HGET', KEYS[1], 'next') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'next', ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'sent', ARGV[4])
  return 1
end
return 0
"""

# KEYS: hash, leases, queue. ARGV: seconds. Returns 1 where parts were lost and are to be queued again.
_PUT_BACK = """
local f = redis.call('HMGET', KEYS[1], 'state', 'error', 'next', 'total', 'parts_done', 'parts', 'stalled',
                     'stalled_at')
local now = tonumber(redis.call('TIME')[1])
if f[1] ~= 'running' or f[2] or tonumber(f[3]) < tonumber(f[4]) or tonumber(f[5]) >= tonumber(f[6])
   or redis.call('ZCOUNT', KEYS[2], now, '+inf') > 0 or redis.call('LLEN', KEYS[3]) > 0 then
  redis.call('HDEL', KEYS[1], 'stalled')
  return 0
end
if f[7] ~= f[5] then
  redis.call('HSET', KEYS[1], 'stalled', f[5], 'stalled_at', now)
  return 0
end
if now - f[8] < tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'stalled')
redis.call('HSET', KEYS[1], 'next', 0, 'sent', 0, 'before', f[5])
return 1
"""


class Window:
    """Fills the windows of a broker's jobs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._redis = broker.redis

    def fill(self, job: str) -> int:
        """Queues as many of a job's parts as there is room for; returns how many.

        A part that waits already is not queued again. Returns 0 at once where somebody else is filling.

        Raises:
            BrokerError: the broker did not take the parts.
            redis.RedisError: the counters cannot be read.
        """
        progress = Progress(self._redis, job)
        lock = self._redis.lock(f"{progress.key}:filling", timeout=_LOCK_SECONDS, blocking=False)
        if not lock.acquire():
            return 0
        queued = 0
        try:
            while (count := self._fill_some(job, progress)) is not None:
                queued += count
                lock.reacquire()
        finally:
            # A lock that ran out meanwhile is another's now.
            with suppress(LockError):
                lock.release()
        return queued

    def _fill_some(self, job: str, progress: Progress) -> int | None:
        """Queues some parts; returns None when there is nothing more to do."""
        picked: Any = self._redis.eval(_PICK, 2, progress.key, progress.bits, _CHUNK)
        if not picked:
            return None
        epoch, queue, round_, at, to, *parts = picked
        messages = [PartMessage(job=job, part=int(part), round=int(round_)) for part in parts]
        self._broker.send_parts(messages, queue)
        went_on = self._redis.eval(_ADVANCE, 1, progress.key, epoch, at, to, str(len(parts)))
        return len(parts) if went_on else None

    def put_back(self, job: str, queue: str) -> bool:
        """Makes a job's window begin again where its remaining parts are with nobody: then they were lost.

        That is: none waits, no worker has one in work, and it has been so for STALLED_SECONDS.

        Raises:
            redis.RedisError: the counters cannot be read.
        """
        progress = Progress(self._redis, job)
        keys = (progress.key, progress.leases, f"{KEY_PREFIX}{queue}")
        return bool(self._redis.eval(_PUT_BACK, len(keys), *keys, str(STALLED_SECONDS)))
