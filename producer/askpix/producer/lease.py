"""A worker's hold on one part of a job: taken with the message, renewed while it works, and given up at the end.

A lease that is not renewed runs out, and the part is queued again. Leases save work, nothing more: a part
that two workers do has one result all the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from askpix.producer.live import PartLive
from askpix.producer.scripts import run_script

LEASE_SECONDS = 20
"""A part in work is its worker's for so long after the last sign of life: with the seconds until somebody looks, a part
of a worker that died is queued again within 30."""

_DEATHS_SECONDS = 7 * 24 * 3600
"""That is remembered how often a part was begun and not ended."""

# In each script, KEYS are a job's keys: hash, bits of done parts, bits of parts that wait in the broker, a hash of
# leases (part: end and owner), and one of how often a part was begun and not ended. ARGV begins with part and round.
_COMMON = """
local part, round = ARGV[1], ARGV[2]
local now = tonumber(redis.call('TIME')[1])
local counted = redis.call('HGET', KEYS[1], 'round') == round
local held = redis.call('HGET', KEYS[4], part)
local till, owner = string.match(held or '0:', '^(%d+):(.*)$')
local free = tonumber(till) <= now

local function set_queued(bit)
  if counted and redis.call('SETBIT', KEYS[3], part, bit) ~= bit then
    redis.call('HINCRBY', KEYS[1], 'waiting', bit == 1 and 1 or -1)
  end
end

local function count_begun(change)
  if redis.call('HINCRBY', KEYS[5], part, change) <= 0 then redis.call('HDEL', KEYS[5], part) end
end

local function forget_live()
  if counted then redis.call('HDEL', KEYS[1], 'live:' .. part, 'codes:' .. part, 'cached:' .. part) end
end

local function give_up(mine, change)
  if owner == mine then redis.call('HDEL', KEYS[4], part) end
  if owner == mine or free then forget_live() end
  count_begun(change)
end

local function credit(worker, items)
  if counted and worker ~= '' and tonumber(items) > 0 then
    -- Whoever looks reads them all: of many workers that come and go, the later ones count together.
    local field = 'by:' .. worker
    if redis.call('HEXISTS', KEYS[1], field) == 0 and redis.call('HLEN', KEYS[1]) > 500 then field = 'by:others' end
    redis.call('HINCRBY', KEYS[1], field, items)
  end
end

local function lease(mine, seconds)
  redis.call('HSET', KEYS[4], part, (now + seconds) .. ':' .. mine)
  redis.call('EXPIRE', KEYS[4], 86400)
end
"""

# ARGV: owner, seconds. Returns nothing where another has the part, or else the epoch of the counters, and how many
# workers began the part and did not end it, neither with its result nor by giving it back: they have died of it, or at
# least with it.
_CLAIM = f"""{_COMMON}
set_queued(0)
if not free then return false end
forget_live()
lease(ARGV[3], ARGV[4])
local begun = redis.call('HINCRBY', KEYS[5], part, 1)
redis.call('EXPIRE', KEYS[5], {_DEATHS_SECONDS})
return {{redis.call('HGET', KEYS[1], 'epoch') or '', begun - 1}}
"""

# ARGV: owner, seconds, items done, failures by code as JSON, the newest answers as JSON, worker, items that it has made
# since it last told, and of the items done those from the cache. Empty texts tell nothing. Returns the job's state,
# nothing where that is not known.
_LIVE = f"""{_COMMON}
local done = counted and redis.call('GETBIT', KEYS[2], part) == 1
if (free or owner == ARGV[3]) and not done then
  lease(ARGV[3], ARGV[4])
  if counted then
    redis.call('HSET', KEYS[1], 'live:' .. part, ARGV[5])
    if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'codes:' .. part, ARGV[6]) end
    if ARGV[10] ~= '0' then redis.call('HSET', KEYS[1], 'cached:' .. part, ARGV[10]) end
  end
end
if counted and ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'latest', ARGV[7]) end
credit(ARGV[8], ARGV[9])
return redis.call('HGET', KEYS[1], 'state')
"""

# ARGV: owner, whether its message goes back to the queue, by how much fewer or more have begun and not ended it.
_RELEASE = f"""{_COMMON}
give_up(ARGV[3], ARGV[5])
if ARGV[4] == '1' then set_queued(1) end
"""

# ARGV: owner, items ok, items failed, the newest answers, worker and items as in _LIVE, items from the cache, and then
# error codes with how many items have them. A part of an earlier round changes nothing.
_DONE = f"""{_COMMON}
give_up(ARGV[3], 0)
forget_live()
credit(ARGV[7], ARGV[8])
if counted and ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'latest', ARGV[6]) end
redis.call('HDEL', KEYS[5], part)
if counted and redis.call('SETBIT', KEYS[2], part, 1) == 0 then
  redis.call('HINCRBY', KEYS[1], 'parts_done', 1)
  redis.call('HINCRBY', KEYS[1], 'ok', ARGV[4])
  redis.call('HINCRBY', KEYS[1], 'failed', ARGV[5])
  if ARGV[9] ~= '0' then redis.call('HINCRBY', KEYS[1], 'cached', ARGV[9]) end
  for at = 10, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], 'code:' .. ARGV[at], ARGV[at + 1]) end
end
"""

# ARGV: owner, epoch, field, value, and as in _RELEASE. What was begun anew since is not stopped by what came before.
_STOP = f"""{_COMMON}
give_up(ARGV[3], ARGV[7])
if counted and redis.call('HGET', KEYS[1], 'epoch') == ARGV[4] then
  redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
end
"""

# ARGV: owner.
_EXCUSE = f"""{_COMMON}
count_begun(-1)
"""

# ARGV: why, whether that passes.
_DROP = f"""{_COMMON}
set_queued(0)
if counted then redis.call('HSET', KEYS[1], 'warning', ARGV[3], 'passing', ARGV[4]) end
"""


class Lease:
    """One part in the hands of one worker. Every method raises redis.RedisError where the broker is lost."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Sequence[str],
        part: int,
        round_: int,
        *,
        owner: str,
        epoch: str,
        seconds: int,
        deaths: int,
        worker: str,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._which = (str(part), str(round_))
        self._owner = owner
        self._epoch = epoch
        self._seconds = seconds
        self.deaths = deaths
        """How many workers began the part before and did not end it."""
        self._excused = False
        self._worker = worker
        self._credited = 0
        """Items that were told to be of this worker's making."""

    def live(self, how: PartLive) -> str | None:
        """Says how far the part is, and renews the lease; returns the job's state, None where it is not known."""
        told = (how.codes_text(), how.latest_text(), self._worker, how.new - self._credited, how.cached)
        state: str | None = self._run(_LIVE, self._seconds, how.done, *told)
        self._credited = how.new
        return state

    def release(self, *, to_queue: bool = False, died: bool = False) -> None:
        """Gives the part up undone.

        Args:
            to_queue: whether its message waits in the broker again.
            died: whether the part may be the reason for its worker's end.
        """
        self._run(_RELEASE, int(to_queue), self._change(died=died))

    def excuse(self) -> None:
        """Says that the part will not be the reason if its worker dies from now on."""
        if not self._excused:
            self._run(_EXCUSE)
            self._excused = True

    def done(self, *, ok: int, codes: Mapping[str, int], how: PartLive) -> None:
        """Counts the finished part, once however often it is finished.

        Args:
            codes: of the items that failed.
        """
        flat = [value for pair in codes.items() for value in pair]
        told = (how.latest_text(), self._worker, how.new - self._credited, how.cached)
        self._run(_DONE, ok, sum(codes.values()), *told, *flat)

    def fail(self, why: str) -> None:
        """Gives the part up and stops the job, until it begins anew, for a reason in words for a person."""
        self._run(_STOP, self._epoch, "error", why, self._change())

    def hold(self, state: str) -> None:
        """Gives the part up and tells the counters what its folder says: the job is paused or cancelled."""
        self._run(_STOP, self._epoch, "state", state, self._change())

    def _change(self, *, died: bool = False) -> int:
        """Returns by how much more often the part will have been begun and not ended."""
        return int(died) - int(not self._excused)

    def _run(self, script: str, *arguments: str | int) -> Any:
        return run_script(self._redis, script, self._keys, *self._which, self._owner, *map(str, arguments))


def claim_part(
    client: redis.Redis, keys: Sequence[str], part: int, round_: int, seconds: int = LEASE_SECONDS, worker: str = ""
) -> Lease | None:
    """Takes a part out of what waits; returns None where another has it.

    Args:
        worker: to whom the items are credited; nobody without it.
    """
    owner = uuid.uuid4().hex
    claimed: Any = run_script(client, _CLAIM, keys, str(part), str(round_), owner, str(seconds))
    if claimed is None:
        return None
    epoch, deaths = claimed
    return Lease(
        client, keys, part, round_, owner=owner, epoch=epoch, seconds=seconds, deaths=int(deaths), worker=worker
    )


def drop_part(client: redis.Redis, keys: Sequence[str], part: int, round_: int, why: str, *, passing: bool) -> None:
    """Says that a part does not wait any more, without being in work, why, and whether that passes by itself."""
    run_script(client, _DROP, keys, str(part), str(round_), why, str(int(passing)))
