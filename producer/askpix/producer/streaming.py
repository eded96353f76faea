"""Answers that are read while they are generated: what a worker tells of each in Redis, and how that is read.

A worker writes entries to a Redis stream of the ask's own. Their texts are the answer's, from a place in it that each
of them says, so that whoever has missed some knows it. The stream is there for as long as the worker lives and works on
the ask; the reader keeps a key of his own for as long as he reads. Each looks at the other's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from askpix.producer.broker import answering, result_of
from askpix.producer.errors import AskpixError, BrokerError
from askpix.producer.redis_keys import ANSWERS, HEARD, TOLD

TOLD_SECONDS = 60
"""That a stream is there after its worker's last sign of life, which comes twice a second unless an engine holds the
interpreter, for seconds at a time."""

HEARD_SECONDS = 15
"""That a reader may be busy with something else before the answer is given up."""

_FIRST_SECONDS = 60
"""So, before he reads for the first time: a large image has to be sent meanwhile."""

KEPT_SECONDS = 60
"""That a stream is there after its last entry."""

_RENEW_SECONDS = 2.0
_LOOK_SECONDS = 1.0
"""Without a new entry, after which the reader looks whether there will be any."""

_GONE_SECONDS = 3.0
"""That a stream has to be gone for its worker to be: one that lives makes it anew where Redis has lost it."""

_ENTRIES = 100
"""That are read at a time."""


class Listener:
    """The reader's end of one answer's stream. One thread reads; any may leave.

    Every method raises BrokerError where the broker does not answer; then it may be called again.

    Args:
        id_: of the ask's task.
    """

    def __init__(self, client: redis.Redis, id_: str) -> None:
        self._redis = client
        self._told, self._heard, self._answer = f"{TOLD}{id_}", f"{HEARD}{id_}", f"{ANSWERS}{id_}"
        self._leaving = threading.Lock()
        """Held to renew the sign that somebody reads, and to take it away."""
        self._renewed = float("-inf")
        self._last = "0"
        """Entry that was read last."""
        self._begun = False
        """Whether a worker has begun."""
        self._over = False
        """Whether the last entry has come."""
        self._looked = False
        self._gone_since: float | None = None
        self.text = ""
        """As far as it was read."""
        self.left = False
        """Whether the answer was given up."""

    def begin(self) -> None:
        """Says that somebody will read what is to be asked."""
        with answering():
            self._redis.set(self._heard, "1", ex=_FIRST_SECONDS)

    def renew(self) -> None:
        """Says that somebody reads."""
        with self._leaving:
            if self.left or time.monotonic() < self._renewed + _RENEW_SECONDS:
                return
            with answering():
                # A server that is full takes no SET.
                if not self._redis.pexpire(self._heard, HEARD_SECONDS * 1000):
                    self._redis.set(self._heard, "1", ex=HEARD_SECONDS)
            self._renewed = time.monotonic()

    def leave(self) -> None:
        """Says that nobody will read any more."""
        with self._leaving, answering():
            self.left = True
            self._redis.delete(self._heard)

    def more(self, seconds: float) -> str | None:
        """Waits for more of the text, up to some seconds; returns what came, or None where no more will come.

        That is so when the answer is there, or this end has left.

        Raises:
            AskpixError: the worker has ended before it answered.
        """
        trouble: BrokerError | None = None
        try:
            self.renew()
        except BrokerError as error:
            # What is there can be read all the same.
            trouble = error
        if self.left:
            return None
        # Where all is over, or was refused, there will be no entry to wait for.
        wait = min(seconds, _LOOK_SECONDS) if self._looked and trouble is None else 0.0
        self._looked = True
        if not self._over and (piece := self._taken(self._entries(wait))):
            return piece
        if self.is_answered():
            return None
        if trouble is not None:
            raise trouble
        return ""

    def is_answered(self) -> bool:
        """Returns whether the answer is there.

        Raises:
            AskpixError: there will be none, for the worker has ended.
        """
        try:
            with answering(), self._redis.pipeline(transaction=False) as pipe:
                pipe.get(self._answer)
                pipe.exists(self._told)
                stored, told = pipe.execute()
        except BrokerError:
            # Who knows what it has lost: the worker gets its time to say that it lives.
            self._gone_since = None
            raise
        if result_of(stored) is not None:
            return True
        self._begun = self._begun or bool(told)
        now = time.monotonic()
        if told or not self._begun:
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        if self._over or (self._gone_since is not None and now > self._gone_since + _GONE_SECONDS):
            raise AskpixError(
                "the worker has ended before it answered, or is cut off, or its answer is lost: ask again"
            )
        return False

    def _entries(self, seconds: float) -> Sequence[Mapping[str, str]]:
        """Waits for entries; returns those that have come."""
        # For ever, where it is 0.
        wait = max(round(seconds * 1e3), 1)
        with answering():
            found: Any = self._redis.xread({self._told: self._last}, count=_ENTRIES, block=wait)
        streams = found.values() if isinstance(found, dict) else [entries for _, entries in found or ()]
        entries = [entry for stream in streams for entry in stream]
        if entries:
            self._last = entries[-1][0]
        return [fields for _, fields in entries]

    def _taken(self, entries: Sequence[Mapping[str, str]]) -> str:
        """Returns what entries have of the text that comes next; nothing once some of it was missed."""
        before = len(self.text)
        for fields in entries:
            self._begun = True
            self._over = self._over or "over" in fields
            at, text = fields.get("at", ""), fields.get("text", "")
            # What was written twice is there twice.
            if at.isascii() and at.isdecimal() and len(at) < 12 and int(at) <= len(self.text):
                self.text += text[len(self.text) - int(at) :]
        return self.text[before:]
