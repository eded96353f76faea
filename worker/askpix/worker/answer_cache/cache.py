"""The answers that a worker need not ask its model for: said before, of the same image, to the same question."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from askpix.producer.questions import title_of
from askpix.producer.rows import Answer
from askpix.worker.answer_cache.keys import engine_mark, image_key
from askpix.worker.answer_cache.store import MAX_FIELDS, Change, Fields, Store, StoreError
from askpix.worker.answer_cache.values import kept_size, recalled, recalled_size
from askpix.worker.answer_cache.writer import SIZE, Writer
from askpix.worker.engine.base import EngineInfo, Request

_log = logging.getLogger(__name__)

_AWAY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""That a store which has failed is left alone: once, and then each time in a row."""

_SLOW_SECONDS = 2.0
"""In which a store answers, or is left alone like one that has failed: a server may answer a little at a time, in none
of which it seems to be away."""


class Recalled:
    """What is known of one image, as one engine sees it.

    Args:
        fields: as they were read.
        pending: answers that are not written yet.
    """

    __slots__ = ("_fields", "_pending", "size")

    def __init__(self, size: tuple[int, int] | None, fields: Fields, pending: Mapping[bytes, Answer]) -> None:
        self.size = size
        """Width and height; None where nothing is known of the image."""
        self._fields = fields
        self._pending = pending

    def answer(self, ask: bytes, request: Request) -> Answer | None:
        """Returns the answer to what is asked, as if it had just been asked; None where there is none."""
        if self.size is None:
            return None
        question = request.question
        if (answer := self._pending.get(ask)) is not None:
            return renamed(answer, request)
        value = self._fields.get(ask)
        return None if value is None else recalled(value, question)


class AnswerCache:
    """Answers of a worker's engines, in a store that may be gone at any moment: then nothing is known.

    Args:
        store: closed with the cache.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._failures = 0
        """In a row."""
        self._back_at = 0.0
        """When the store is tried again, as `time.monotonic()` counts."""
        self._writer = Writer(self._write)

    def recall(self, info: EngineInfo, sha256: str | None) -> Recalled:
        """Returns what is known of an image, by one look at the store. Raises nothing.

        Args:
            info: of the engine that would be asked.
            sha256: of the image's bytes.
        """
        assert sha256 is not None
        image = image_key(engine_mark(info), sha256)
        fields = self._read(info.model, image)
        # Looked at after that: what is written meanwhile is found in one of them.
        size, pending = self._writer.pending(image)
        return Recalled(recalled_size(size or fields.get(SIZE)), fields, pending)

    def keep(self, info: EngineInfo, sha256: str, size: tuple[int, int], ask: bytes, answer: Answer) -> None:
        """Has an answer kept, some time, unless there is too much to keep. Quick, and raises nothing."""
        image = image_key(engine_mark(info), sha256)
        self._writer.keep(info.model, image, kept_size(*size), ask, answer)

    def close(self) -> None:
        """Keeps what is still to be kept."""
        self._writer.close()
        self._store.close()

    def _read(self, model: str, image: bytes) -> Fields:
        if self._away():
            return {}
        began = time.monotonic()
        try:
            fields, touch = self._store.read(model, image)
        except StoreError as error:
            self._failed(error)
            return {}
        except Exception as error:  # noqa: BLE001 - no part may fail of it
            _log.debug("answers could not be looked up", exc_info=True)
            self._failed(StoreError(f"{type(error).__name__}: {error}"))
            return {}
        if (took := time.monotonic() - began) > _SLOW_SECONDS:
            self._failed(StoreError(f"it took {took:.0f} s to answer"))
        else:
            self._went_well()
        if len(fields) > MAX_FIELDS:
            self._writer.touch(model, image, anew=True)
            return {}
        if touch:
            self._writer.touch(model, image)
        return fields

    def _write(self, changes: list[Change]) -> None:
        if self._away():
            return
        try:
            self._store.write(changes)
        except StoreError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - the thread must go on
            _log.debug("answers could not be kept", exc_info=True)
            self._failed(StoreError(f"{type(error).__name__}: {error}"))
        else:
            self._went_well()

    def _away(self) -> bool:
        return self._failures > 0 and time.monotonic() < self._back_at

    def _failed(self, error: StoreError) -> None:
        with self._lock:
            # Of several threads that were told at the same time, one counts.
            if self._away():
                return
            self._back_at = time.monotonic() + _AWAY_SECONDS[min(self._failures, len(_AWAY_SECONDS) - 1)]
            self._failures += 1
            first = self._failures == 1
        if first:
            _log.warning("the cache of answers cannot be used now, so the model is asked everything: %s", error)

    def _went_well(self) -> None:
        if not self._failures:
            return
        with self._lock:
            was_away, self._failures = self._failures > 0, 0
        if was_away:
            _log.warning("the cache of answers is there again")


def renamed(answer: Answer, request: Request) -> Answer:
    """Returns an answer as that to another question with the same text."""
    return replace(answer, name=title_of(request.question), cached=True)
