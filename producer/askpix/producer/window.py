"""The window: how many of a job's parts wait in the broker at a time.

The producer queues the first parts; from then on a live worker tops the window up as parts are taken. Both
call `fill`, one at a time for each job, so that broker memory does not depend on the job's length.

What waits is known by a bit for each part: set when its message is sent, cleared when a worker takes it.
A part that neither waits nor is in work nor done was lost, and is queued again. A message that was lost in
the broker is found by what was taken since: a queue is first in, first out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import LockError

from askpix.producer.broker import Broker
from askpix.producer.errors import BrokerError, BrokerTrouble
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress
from askpix.producer.redis_keys import KEYS_LUA, LEASES_LUA, TAKEN, JobKeys, queue_key
from askpix.producer.scripts import run_script

STALLED_SECONDS = 10
_RESCAN_SECONDS = 5
_CHUNK = 200
_LOCK_SECONDS = 10
"""That nobody else fills after a filler that died. Two at once do no harm."""

# In each script, KEYS begin with JobKeys.all.
_LEASES = f"""{LEASES_LUA}
local live = {{}}
local count = 0
local found = redis.call('HGETALL', leases)
for i = 1, #found, 2 do
  if lease_of(found[i + 1]) > now then
    live[found[i]] = true
    count = count + 1
  else
    redis.call('HDEL', leases, found[i])
  end
end
"""

# ARGV: how many at most, seconds. Returns nothing, or queue and round, and the parts to queue: from here on
# they count as waiting. From time to time it looks through from the start, for parts that were lost in work.
_PICK = f"""{_LEASES}
local f = redis.call('HMGET', job, 'state', 'error', 'window', 'waiting', 'next', 'total', 'queue', 'round',
                     'parts', 'parts_done', 'scanned')
if f[1] ~= 'running' or f[2] then return {{}} end
local room = math.min(tonumber(ARGV[1]), f[3] - f[4])
local at, total, picked = tonumber(f[5]), tonumber(f[6]), {{}}
if at >= total and f[9] - f[10] > f[4] + count and now - (f[11] or 0) >= tonumber(ARGV[2]) then
  at = 0
  redis.call('HSET', job, 'scanned', now)
end
local first = at
while at < total and #picked < room and at - first < 20000 do
  if redis.call('GETBIT', done, at) == 0 and not live[tostring(at)]
     and redis.call('SETBIT', queued, at, 1) == 0 then
    picked[#picked + 1] = tostring(at)
  end
  at = at + 1
end
if at == first then return {{}} end
redis.call('HSET', job, 'next', at)
redis.call('HINCRBY', job, 'waiting', #picked)
return {{f[7], f[8], unpack(picked)}}
"""

# ARGV: parts that were picked and not sent, or perhaps some of them: a part that is queued twice is done once.
_PUT_BACK = f"""{KEYS_LUA}
for _, part in ipairs(ARGV) do
  if redis.call('SETBIT', queued, part, 0) == 1 then redis.call('HINCRBY', job, 'waiting', -1) end
end
redis.call('HSET', job, 'next', 0)
return 0
"""

# KEYS: and the queue, and how many messages were taken of each queue. ARGV: name of the queue, seconds.
# Returns 1 where what was thought to wait was lost, and does not count as waiting any more.
_FIND_LOST = f"""{_LEASES}
local f = redis.call('HMGET', job, 'state', 'error', 'waiting', 'parts_done', 'stalled', 'stalled_at',
                     'stalled_taken', 'stalled_length')
local stand = f[3] and f[4] and f[3] .. ' ' .. f[4]
if f[1] ~= 'running' or f[2] or tonumber(f[3]) == 0 or count > 0 then
  redis.call('HDEL', job, 'stalled')
  return 0
end
local length = redis.call('LLEN', KEYS[6])
local taken = tonumber(redis.call('HGET', KEYS[7], ARGV[1]) or '0')
if f[5] ~= stand then
  redis.call('HSET', job, 'stalled', stand, 'stalled_at', now, 'stalled_taken', taken, 'stalled_length', length)
  return 0
end
if now - f[6] < tonumber(ARGV[2]) or (length > 0 and taken - f[7] < tonumber(f[8])) then return 0 end
redis.call('HDEL', job, 'stalled')
redis.call('DEL', queued)
redis.call('HSET', job, 'waiting', 0, 'next', 0)
return 1
"""


class Window:
    """Fills the windows of a broker's jobs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._redis = broker.redis

    def fill(self, job: str) -> int:
        """Queues as many of a job's parts as there is room for; returns how many.

        A part that waits or is in work is not queued again. Returns 0 at once where somebody else is filling.

        Raises:
            BrokerError: the broker did not take the parts.
            redis.RedisError: the counters cannot be read.
        """
        progress = Progress(self._redis, job)
        lock = self._redis.lock(progress.keys.filling, timeout=_LOCK_SECONDS, blocking=False)
        if not lock.acquire():
            return 0
        queued = 0
        try:
            while (count := self._fill_some(job, progress)) is not None:
                queued += count
                lock.reacquire()
        except LockError:
            # It took so long that another fills by now, or the broker has lost the lock with all else.
            if progress.read() is None:
                raise BrokerError(f"the broker has lost what it knew of {job}", BrokerTrouble.LOST) from None
        finally:
            # A lock that ran out meanwhile is another's now.
            with suppress(LockError):
                lock.release()
        return queued

    def _fill_some(self, job: str, progress: Progress) -> int | None:
        """Queues some parts; returns None when there is nothing more to do."""
        picked: Any = run_script(self._redis, _PICK, progress.keys.all, str(_CHUNK), str(_RESCAN_SECONDS))
        if not picked:
            return None
        queue, round_, *parts = picked
        messages = [PartMessage(job=job, part=int(part), round=int(round_)) for part in parts]
        try:
            self._broker.send_parts(messages, queue)
        except BrokerError:
            # Where not even this can be said, they are found as those that were lost.
            with suppress(redis.RedisError):
                run_script(self._redis, _PUT_BACK, progress.keys.all, *parts)
            raise
        return len(parts)

    def find_lost(self, job: str, queue: str) -> bool:
        """Finds out whether messages of a job were lost in the broker; then `fill` sends them again.

        They were where none of the job's parts is in work, nothing has changed for STALLED_SECONDS, and all
        that waited in the queue at the beginning of that time has been taken.

        Raises:
            redis.RedisError: the counters cannot be read.
        """
        keys = (*JobKeys(job).all, queue_key(queue), TAKEN)
        return bool(run_script(self._redis, _FIND_LOST, keys, queue, str(STALLED_SECONDS)))
