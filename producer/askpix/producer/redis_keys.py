"""What askpix keeps in the broker's Redis, and under which keys: whoever reads or writes one asks here.

Answers that are kept have a server of their own, and their keys in `askpix.worker.answer_cache.redis_store`.

docs/queue.md lists them for people, deploy/redis/users.acl says who may do what with them.
"""

from __future__ import annotations

import hashlib

KEY_PREFIX = "askpix:"
"""Of every key in Redis, so that a server can be shared."""

ANSWERS = f"{KEY_PREFIX}celery-task-meta-"
"""Of keys that hold the results of asks, and of channels on which it is said that they do."""

TOLD = f"{KEY_PREFIX}told:"
"""Of keys of streams: entries have `at`, the number of characters before, and `text`; the last one has `over`."""

HEARD = f"{KEY_PREFIX}heard:"
"""Of keys that are there for as long as somebody reads."""

JOBS = f"{KEY_PREFIX}jobs"
"""Sorted set: the folders of active jobs, by when they came."""

WORKERS = f"{KEY_PREFIX}workers"
"""Hash: by the names of workers, what each says of itself."""

SWEPT = f"{KEY_PREFIX}workers:swept"
"""There while nobody need look for workers to forget."""

REFUSED = f"{KEY_PREFIX}refused"
"""Hash: how many messages, and images that they name, were refused, by reason."""

TAKEN = f"{KEY_PREFIX}taken"
"""Hash: how many messages of parts were ever taken of each queue."""

KEEPER = f"{KEY_PREFIX}keeper"
"""There while one of the workers looks after the jobs."""

LETTERS = f"{KEY_PREFIX}dead"
"""List: messages that no worker could understand."""

UNACKED = f"{KEY_PREFIX}unacked"
"""Hash, kombu's: messages that workers have taken."""

UNACKED_SINCE = f"{KEY_PREFIX}unacked_index"
"""Sorted set, kombu's: since when they have them."""

# Fields of a job's counters that there are several of, by what follows in their names. The others are named in full.
OF_PART_ITEMS = "live:"
"""Of a part in work: its items that are done."""

OF_PART_CODES = "codes:"
"""Of a part in work: how many of its items failed, by error code, as JSON."""

OF_PART_CACHED = "cached:"
"""Of a part in work: its items whose answers were all given before."""

OF_CODE = "code:"
"""Of an error code: how many items of finished parts have it."""

OF_WORKER = "by:"
"""Of a worker: how many items it has answered."""


def queue_key(queue: str) -> str:
    """Returns the key of the list of messages that wait in a queue."""
    return f"{KEY_PREFIX}{queue}"


class JobKeys:
    """The keys of one job.

    Args:
        job: URI of the job folder, as messages name it: known even where the folder cannot be read.
    """

    def __init__(self, job: str) -> None:
        self.counters = f"{KEY_PREFIX}job:{hashlib.sha256(job.encode()).hexdigest()[:32]}"
        """Hash; the other keys begin with its key."""

        self.done = f"{self.counters}:done"
        """A bit for each part that is done."""

        self.queued = f"{self.counters}:queued"
        """A bit for each part that waits in the broker."""

        self.leases = f"{self.counters}:leases"
        """Hash: by part in work, until when it is its worker's, and a name for this hold; see LEASES_LUA."""

        self.begun = f"{self.counters}:begun"
        """Hash: by part, how often it was begun and not ended."""

        self.filling = f"{self.counters}:filling"
        """There while somebody fills the job's window."""

        self.errand = f"{self.counters}:errand"
        """There while a worker does what takes long for the job."""

        self.all = (self.counters, self.done, self.queued, self.leases, self.begun)
        """Those that scripts are given, as KEYS_LUA names them."""


KEYS_LUA = """
local job, done, queued, leases, begun = unpack(KEYS)
"""
"""What scripts begin with whose KEYS are, or begin with, `JobKeys.all`."""

LEASES_LUA = f"""{KEYS_LUA}
local now = tonumber(redis.call('TIME')[1])

local function lease_of(value)
  local till, owner = string.match(value, '^(%d+):(.*)$')
  return tonumber(till), owner
end

local function lease(part, owner, seconds)
  redis.call('HSET', leases, part, (now + seconds) .. ':' .. owner)
  redis.call('EXPIRE', leases, 86400)
end
"""
"""As KEYS_LUA, for scripts that read and write leases."""
