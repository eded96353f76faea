"""Dead letters: messages that a worker could not understand, kept for a person to look at and to put back."""

from __future__ import annotations

import time
import uuid
from typing import Annotated

import redis
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpix.producer.errors import JobError
from askpix.producer.redis_keys import LETTERS, queue_key

_MOST = 1_000
"""Letters that are kept; the oldest goes first."""

_LONGEST = 65_536
"""Characters of an entry that are kept. A longer one cannot be put back, and askpix sends none."""

# KEYS: letters, a queue. ARGV: the letter, its entry. Moves a letter back, unless somebody else has.
_REQUEUE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
"""


class Letter(BaseModel):
    """A message that was refused, as it was found."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    queue: str
    reason: str
    """A word, as refused messages are counted by."""

    why: str
    """A sentence for a person."""

    at: Annotated[float, Field(ge=0)]
    """Seconds since 1970."""

    entry: str
    """What was in the queue, or its beginning."""

    whole: bool
    """Whether all of it is here."""


class DeadLetters:
    """The letters of one broker. Every method raises redis.RedisError where it does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def add(self, entry: str | bytes, queue: str, *, reason: str, why: str) -> None:
        """Keeps a message that was taken from a queue and not understood."""
        text = entry.decode(errors="replace") if isinstance(entry, bytes) else entry
        is_text = isinstance(entry, str) or text.encode() == entry
        letter = Letter(
            id=uuid.uuid4().hex[:12],
            queue=queue,
            reason=reason,
            why=why,
            at=time.time(),
            entry=text[:_LONGEST],
            whole=is_text and len(text) <= _LONGEST,
        )
        with self._redis.pipeline() as pipe:
            pipe.lpush(LETTERS, letter.model_dump_json())
            pipe.ltrim(LETTERS, 0, _MOST - 1)
            pipe.execute()

    def all(self) -> list[Letter]:
        """Returns the letters, the newest first."""
        return [letter for _, letter in self._found()]

    def requeue(self, id_: str) -> Letter:
        """Puts a message back into the queue that it came from, to be read once more.

        Raises:
            JobError: there is none of that id, or not all of it was kept.
        """
        for raw, letter in self._found():
            if letter.id != id_:
                continue
            if not letter.whole:
                raise JobError(f"the message {id_} is no text, or was too long to be kept whole: it cannot be put back")
            if self._redis.eval(_REQUEUE, 2, LETTERS, queue_key(letter.queue), raw, letter.entry):
                return letter
        raise JobError(f"there is no dead letter {id_[:100]!r}: `askpix dead list` shows those that there are")

    def drop(self) -> int:
        """Forgets all letters; returns how many there were."""
        count = int(self._redis.llen(LETTERS))
        self._redis.delete(LETTERS)
        return count

    def _found(self) -> list[tuple[str, Letter]]:
        raws: list[str] = self._redis.lrange(LETTERS, 0, -1)  # type: ignore[assignment]
        found = []
        for raw in raws:
            try:
                found.append((raw, Letter.model_validate_json(raw)))
            except ValidationError:
                continue  # of another version
        return found
