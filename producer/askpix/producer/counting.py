"""How a job's progress is counted: scripts on its keys in Redis, each of which is one step to whoever looks on.

Their KEYS are `JobKeys.all`. Who runs them: `progress.py` where a job begins, `lease.py` for a part in work.
"""

from __future__ import annotations

from askpix.producer.redis_keys import (
    KEYS_LUA,
    LEASES_LUA,
    OF_CODE,
    OF_PART_CACHED,
    OF_PART_CODES,
    OF_PART_ITEMS,
    OF_WORKER,
)

_DEATHS_SECONDS = 7 * 24 * 3600
"""That is remembered how often a part was begun and not ended."""

# ARGV: id, round, bits of done parts, and then fields with their values. What waits in the broker goes on
# waiting where it is the same round of the same job; leases stay in any case.
BEGIN = f"""{KEYS_LUA}
local same = redis.call('HGET', job, 'id') == ARGV[1] and redis.call('HGET', job, 'round') == ARGV[2]
local waiting = same and redis.call('HGET', job, 'waiting') or '0'
redis.call('DEL', job, done, begun)
if not same then redis.call('DEL', queued) end
redis.call('HSET', job, 'id', ARGV[1], 'round', ARGV[2], 'waiting', waiting, unpack(ARGV, 4))
redis.call('SET', done, ARGV[3])
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
"""

# ARGV: field and value, and so on. Changes a job that is there; makes none.
CHANGE = f"""{KEYS_LUA}
if redis.call('EXISTS', job) == 1 then redis.call('HSET', job, unpack(ARGV)) end
"""

# In each script from here on, ARGV begins with part and round.
_PART = f"""{LEASES_LUA}
local part, round = ARGV[1], ARGV[2]
local counted = redis.call('HGET', job, 'round') == round
local till, owner = lease_of(redis.call('HGET', leases, part) or '0:')
local free = till <= now

local function set_queued(bit)
  if counted and redis.call('SETBIT', queued, part, bit) ~= bit then
    redis.call('HINCRBY', job, 'waiting', bit == 1 and 1 or -1)
  end
end

local function count_begun(change)
  if redis.call('HINCRBY', begun, part, change) <= 0 then redis.call('HDEL', begun, part) end
end

local function forget_live()
  if counted then
    redis.call('HDEL', job, '{OF_PART_ITEMS}' .. part, '{OF_PART_CODES}' .. part, '{OF_PART_CACHED}' .. part)
  end
end

local function give_up(mine, change)
  if owner == mine then redis.call('HDEL', leases, part) end
  if owner == mine or free then forget_live() end
  count_begun(change)
end

local function credit(worker, items)
  if counted and worker ~= '' and tonumber(items) > 0 then
    -- Whoever looks reads them all: of many workers that come and go, the later ones count together.
    local field = '{OF_WORKER}' .. worker
    if redis.call('HEXISTS', job, field) == 0 and redis.call('HLEN', job) > 500 then field = '{OF_WORKER}others' end
    redis.call('HINCRBY', job, field, items)
  end
end
"""

# ARGV: owner, seconds. Returns nothing where another has the part, or else the epoch of the counters, and how many
# workers began the part and did not end it, neither with its result nor by giving it back: they have died of it, or at
# least with it.
CLAIM = f"""{_PART}
set_queued(0)
if not free then return false end
forget_live()
lease(part, ARGV[3], ARGV[4])
local times = redis.call('HINCRBY', begun, part, 1)
redis.call('EXPIRE', begun, {_DEATHS_SECONDS})
return {{redis.call('HGET', job, 'epoch') or '', times - 1}}
"""

# ARGV: owner, seconds, items done, failures by code as JSON, the newest answers as JSON, worker, items that it has made
# since it last told, and of the items done those from the cache. Empty texts tell nothing. Returns the job's state,
# nothing where that is not known.
LIVE = f"""{_PART}
local ended = counted and redis.call('GETBIT', done, part) == 1
if (free or owner == ARGV[3]) and not ended then
  lease(part, ARGV[3], ARGV[4])
  if counted then
    redis.call('HSET', job, '{OF_PART_ITEMS}' .. part, ARGV[5])
    if ARGV[6] ~= '' then redis.call('HSET', job, '{OF_PART_CODES}' .. part, ARGV[6]) end
    if ARGV[10] ~= '0' then redis.call('HSET', job, '{OF_PART_CACHED}' .. part, ARGV[10]) end
  end
end
if counted and ARGV[7] ~= '' then redis.call('HSET', job, 'latest', ARGV[7]) end
credit(ARGV[8], ARGV[9])
return redis.call('HGET', job, 'state')
"""

# ARGV: owner, whether its message goes back to the queue, by how much fewer or more have begun and not ended it.
RELEASE = f"""{_PART}
give_up(ARGV[3], ARGV[5])
if ARGV[4] == '1' then set_queued(1) end
"""

# ARGV: owner, items ok, items failed, the newest answers, worker and items as in LIVE, items from the cache, and then
# error codes with how many items have them. A part of an earlier round changes nothing.
DONE = f"""{_PART}
give_up(ARGV[3], 0)
forget_live()
credit(ARGV[7], ARGV[8])
if counted and ARGV[6] ~= '' then redis.call('HSET', job, 'latest', ARGV[6]) end
redis.call('HDEL', begun, part)
if counted and redis.call('SETBIT', done, part, 1) == 0 then
  redis.call('HINCRBY', job, 'parts_done', 1)
  redis.call('HINCRBY', job, 'ok', ARGV[4])
  redis.call('HINCRBY', job, 'failed', ARGV[5])
  if ARGV[9] ~= '0' then redis.call('HINCRBY', job, 'cached', ARGV[9]) end
  for at = 10, #ARGV, 2 do redis.call('HINCRBY', job, '{OF_CODE}' .. ARGV[at], ARGV[at + 1]) end
end
"""

# ARGV: owner, epoch, field, value, and as in RELEASE. What was begun anew since is not stopped by what came before.
STOP = f"""{_PART}
give_up(ARGV[3], ARGV[7])
if counted and redis.call('HGET', job, 'epoch') == ARGV[4] then
  redis.call('HSET', job, ARGV[5], ARGV[6])
end
"""

# ARGV: owner.
EXCUSE = f"""{_PART}
count_begun(-1)
"""

# ARGV: why, whether that passes.
DROP = f"""{_PART}
set_queued(0)
if counted then redis.call('HSET', job, 'warning', ARGV[3], 'passing', ARGV[4]) end
"""
