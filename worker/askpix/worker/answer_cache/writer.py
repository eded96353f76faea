"""What is to be kept, on its way into a store: in batches, on a thread of its own, and nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from askpix.producer.rows import Answer
from askpix.worker.answer_cache.store import Change
from askpix.worker.answer_cache.values import kept

_log = logging.getLogger(__name__)

SIZE = b"size"
"""Field of an image's width and height. Those of answers are longer."""

_BATCH_SECONDS = 0.5
"""Between two batches. Nobody waits for them: what is not written yet is found all the same."""

_MOST = 20_000
"""Answers, or choices of answers, that may wait; what is more is dropped, and so will be asked again one day."""

_CLOSE_SECONDS = 5.0
"""That the last batch has at a worker's end."""

_WARN_SECONDS = 300.0


@dataclass(kw_only=True, slots=True)
class Pending:
    """What is to be kept of one image."""

    model: str
    size: bytes | None = None
    answers: dict[bytes, Answer] = field(default_factory=dict)
    anew: bool = False


class Writer:
    """Writes what it is given, some time. Used from many threads; none waits.

    Args:
        write: keeps a batch; raises nothing.
    """

    def __init__(self, write: Callable[[list[Change]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: dict[bytes, Pending] = {}
        """By the images' keys."""
        self._in_hand: Mapping[bytes, Pending] = {}
        """That are being written."""
        self._weight = 0
        """Of the answers that wait."""
        self._dropped = 0
        self._warned_at = float("-inf")
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="askpix-answers", daemon=True)
        self._thread.start()

    def keep(self, model: str, image: bytes, size: bytes, ask: bytes, answer: Answer) -> None:
        """Takes an answer, unless too many wait."""
        weight = 1 + len(answer.choices or ()) + len(answer.text) // 1_000
        with self._lock:
            if self._weight + weight > _MOST:
                self._dropped += 1
                return
            self._weight += weight
            pending = self._pending(model, image)
            pending.size, pending.answers[ask] = size, answer
        self._wake.set()

    def touch(self, model: str, image: bytes, *, anew: bool = False) -> None:
        """Takes it that what was kept of an image is in use, or that it is to be forgotten."""
        with self._lock:
            if len(self._waiting) < _MOST:
                pending = self._pending(model, image)
                pending.anew = pending.anew or anew
        self._wake.set()

    def pending(self, image: bytes) -> tuple[bytes | None, Mapping[bytes, Answer]]:
        """Returns what is not written yet of an image: its size, and answers."""
        with self._lock:
            found = [held[image] for held in (self._in_hand, self._waiting) if image in held]
            size = next((one.size for one in found if one.size is not None), None)
            return size, {ask: answer for one in found for ask, answer in one.answers.items()}

    def close(self) -> None:
        """Writes what is left, for some seconds at the most."""
        self._closing.set()
        self._wake.set()
        self._thread.join(_CLOSE_SECONDS)

    def _pending(self, model: str, image: bytes) -> Pending:
        found = self._waiting.get(image)
        if found is None:
            found = self._waiting[image] = Pending(model=model)
        return found

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            # Looked at after that: who closes meanwhile is seen here, or wakes this again.
            closing = self._closing.is_set()
            with self._lock:
                batch = self._in_hand = self._waiting
                self._waiting, self._weight = {}, 0
                dropped, self._dropped = self._dropped, 0
            if batch:
                self._write(list(_changes(batch)))
            with self._lock:
                self._in_hand = {}
            self._warn(dropped)
            if closing:
                return
            self._closing.wait(_BATCH_SECONDS)

    def _warn(self, dropped: int) -> None:
        now = time.monotonic()
        if dropped and now - self._warned_at > _WARN_SECONDS:
            self._warned_at = now
            _log.warning("%d answers were not kept: they come faster than their cache takes them", dropped)


def _changes(batch: Mapping[bytes, Pending]) -> Iterable[Change]:
    for image, pending in batch.items():
        fields = dict(_kept(pending.answers))
        if pending.size is not None:
            fields[SIZE] = pending.size
        yield Change(model=pending.model, image=image, fields=fields, anew=pending.anew)


def _kept(answers: Mapping[bytes, Answer]) -> Iterable[tuple[bytes, bytes]]:
    for ask, answer in answers.items():
        try:
            yield ask, kept(answer)
        except Exception:  # noqa: BLE001 - the others are kept, and the thread goes on
            # What half a character is left in, say.
            _log.debug("an answer could not be kept", exc_info=True)
