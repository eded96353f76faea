"""Answers that are read while they are generated: the worker's end of `askpix.producer.streaming`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from askpix.producer.broker_errors import short
from askpix.producer.broker_url import place_of
from askpix.producer.connections import pool_at
from askpix.producer.redis_keys import HEARD, TOLD
from askpix.producer.streaming import HEARD_SECONDS, KEPT_SECONDS, TOLD_SECONDS
from askpix.worker.logs.about import carried

_log = logging.getLogger(__name__)

TELL_SECONDS = 0.1
"""Between two entries of a stream, at the least: who reads sees no more of it, and each takes time of the interpreter
from the engine."""

_BEAT_SECONDS = 0.5
"""Between two signs of life, and looks whether somebody reads; both for all streams together, in one round trip."""

_SOCKET_SECONDS = 5.0

_ENTRIES = 600
"""That a stream has at the most, or some more, which is a minute's. A reader who falls behind further has the rest from
the row."""

_CHARACTERS = 2_000
"""Of an entry."""


class Stream:
    """What is told of one answer. It never raises for want of a broker: the answer goes on, and is told later.

    Args:
        id_: of the ask's task.
    """

    def __init__(self, client: redis.Redis, id_: str) -> None:
        self._redis = client
        self.told, self.heard = f"{TOLD}{id_}", f"{HEARD}{id_}"
        self._writing = threading.Lock()
        """Held to write entries, one after the other."""
        self._text = ""
        """As far as it has come; all of it, since Redis may lose what it has."""
        self._at = 0
        """Characters of it that are in Redis."""
        self._looking = threading.Lock()
        """Held to find out that the reader has left, and to say what is to be done then."""
        self._give_up: Callable[[], None] | None = None
        self._patience = float("-inf")
        """Until when a reader who is not heard may only have had no way to say so, as `time.monotonic()` counts."""
        self._troubled = False
        """Whether it was said that the server takes no entries."""
        self._there = False
        """Whether Redis has it, as far as is known."""
        self.begun = False
        self.left = False
        """Whether nobody reads any more."""

    def begin(self) -> None:
        """Says that the worker has begun, and looks whether anybody reads."""
        self._write()
        self.begun = True

    def begin_anew(self) -> None:
        """Makes the stream again that Redis has lost, or was away for so long."""
        self._write(anew=True)

    def listen(self) -> bool:
        """Returns whether anybody reads, by now."""
        self._send([])
        return not self.left

    def tell(self, pieces: Iterable[str], give_up: Callable[[], None]) -> None:
        """Tells a text as it comes; returns when it has ended.

        Args:
            give_up: is called, once, when nobody reads any more; from any thread.
        """
        with self._looking:
            self._give_up = carried(give_up)
            left = self.left
        if left:
            give_up()
        for piece in pieces:
            with self._writing:
                self._text += piece
            self._write()

    def end(self) -> None:
        """Says that the answer is where it is looked for, or that there is none."""
        self._write(last=True)

    def look(self, lives: bool, heard: bool) -> None:
        """Takes in what Redis knows.

        Args:
            lives: whether it has the stream: if not, it has lost things, and made the reader's key go too.
            heard: whether somebody reads.
        """
        now = time.monotonic()
        if self._there and not lives:
            # Once: he has said by then that he reads, also where the server never takes an entry again.
            self._patience = now + HEARD_SECONDS
        self._there = lives
        if not heard and now >= self._patience:
            self._leave()

    def unheard(self) -> None:
        """Says that Redis was not reached: nor could the reader."""
        self._patience = time.monotonic() + HEARD_SECONDS

    def _leave(self) -> None:
        with self._looking:
            if self.left:
                return
            self.left = True
            give_up = self._give_up
        _log.debug("nobody reads %s any more: the answer is given up", self.told)
        if give_up is not None:
            give_up()

    def _write(self, *, anew: bool = False, last: bool = False) -> None:
        """Writes what Redis does not have, as far as it takes it.

        Args:
            anew: it has nothing.
            last: there will be no more.
        """
        seconds = KEPT_SECONDS if last else TOLD_SECONDS
        with self._writing:
            if anew:
                self._at = 0
            had, took = self._send(self._rest(last), seconds)
            if self._at and not had:
                # What was before is lost. Readers skip what they have of it.
                self._at = 0
                _, took = self._send(self._rest(last), seconds)
            if took:
                self._at = len(self._text)

    def _rest(self, last: bool) -> list[dict[Any, Any]]:
        """Returns the entries that Redis does not have."""
        starts = range(self._at, len(self._text), _CHARACTERS)
        entries: list[dict[Any, Any]] = [{"at": at, "text": self._text[at : at + _CHARACTERS]} for at in starts]
        if last or not entries:
            entries.append({"at": len(self._text), "text": "", **({"over": 1} if last else {})})
        return entries

    def _send(self, entries: Sequence[dict[Any, Any]], seconds: int = TOLD_SECONDS) -> tuple[bool, bool]:
        """Writes entries, in one round trip with a look at the reader.

        Args:
            seconds: that the stream is there from now on.

        Returns:
            Whether Redis had the stream before, as far as is known, and whether it took all entries.
        """
        pipe = self._redis.pipeline(transaction=False)
        pipe.exists(self.told)
        for fields in entries:
            pipe.xadd(self.told, fields, maxlen=_ENTRIES)
        pipe.expire(self.told, seconds)
        pipe.exists(self.heard)
        try:
            lives, *wrote, _, heard = pipe.execute(raise_on_error=False)
        except redis.RedisError as error:
            _log.debug("an answer could not be told: %s", short(error))
            self.unheard()
            return True, False
        troubles = [one for one in wrote if isinstance(one, Exception)]
        if troubles and not self._troubled:
            self._troubled = True
            _log.warning("an answer could not be told while it came: %s", short(troubles[0]))
        self.look(lives == 1, heard == 1)
        self._there = lives == 1 or (bool(wrote) and not troubles)
        return lives != 0, not troubles


class Streams:
    """The streams of a worker's answers. While there are any, one thread keeps them alive and hears who has left."""

    def __init__(self, broker_url: SecretStr) -> None:
        # A client of its own, which does not try for long: there is a next time.
        pool = pool_at(
            place_of(broker_url),
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=_SOCKET_SECONDS,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = redis.Redis.from_pool(pool)
        self._changed = threading.Condition()
        self._open: set[Stream] = set()
        self._beating = threading.Lock()
        """Held for a sign of life."""
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, id_: str) -> Stream:
        """Returns the stream of an ask, which lives until its `end`."""
        stream = Stream(self._redis, id_)
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="askpix-streams", daemon=True)
                thread.start()
                self._thread = thread
            self._open.add(stream)
            self._changed.notify()
        return stream

    def end(self, stream: Stream) -> None:
        """Ends a stream, when its answer is where it is looked for."""
        with self._changed:
            self._open.discard(stream)
        with self._beating:
            # One that is under way could come after the end, and say that it lasts for as long as a sign of life.
            pass
        stream.end()

    def close(self) -> None:
        with self._changed:
            self._closed.set()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._redis.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._open or self._closed.is_set())
            with self._beating:
                with self._changed:
                    streams = [stream for stream in self._open if stream.begun]
                try:
                    self._beat(streams)
                except Exception:  # noqa: BLE001 - without this thread every reader would take us for dead
                    _log.exception("the readers of answers could not be looked after")
            self._closed.wait(_BEAT_SECONDS)

    def _beat(self, streams: Sequence[Stream]) -> None:
        """Says of streams that their worker lives, and looks whether somebody reads them."""
        pipe = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipe.expire(stream.told, TOLD_SECONDS)
            pipe.exists(stream.heard)
        try:
            found = pipe.execute(raise_on_error=False)
        except redis.RedisError as error:
            _log.debug("the readers of answers could not be looked after: %s", short(error))
            for stream in streams:
                stream.unheard()
            return
        for stream, lives, heard in zip(streams, found[::2], found[1::2], strict=True):
            stream.look(lives == 1, heard == 1)
            if lives == 0:
                stream.begin_anew()
