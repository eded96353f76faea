"""Engines that are built when they are asked for, of which the last few are kept."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from askpix.producer.errors import ModelError
from askpix.worker.engine.base import Engine

_log = logging.getLogger(__name__)

KEPT = 2
"""Engines, so that two can be asked side by side."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Kept:
    engine: Engine
    lent: int
    """To how many it is lent now."""


class Shelf(Generic[K]):
    """Lends engines. Where there would be too many, the one that was not lent for longest is closed.

    Args:
        build: makes an engine.
    """

    def __init__(self, build: Callable[[K], Engine], kept: int = KEPT) -> None:
        self._build = build
        self._most = kept
        self._kept: OrderedDict[K, _Kept] = OrderedDict()
        """In the order in which they were last lent."""
        self._changed = threading.Condition()
        self._building = threading.Lock()
        """Held to build one: two at a time would take memory and cores from each other."""

    @contextmanager
    def lend(self, key: K) -> Iterator[Engine]:
        """Yields an engine, which stays open meanwhile; waits where all places are taken by engines in use.

        Raises:
            ModelError, DeviceError: it cannot be built.
        """
        kept = self._take(key)
        try:
            yield kept.engine
        finally:
            with self._changed:
                kept.lent -= 1
                if kept.engine.stopped and self._kept.get(key) is kept:
                    # It has failed as a whole: the next one is built anew.
                    del self._kept[key]
                self._changed.notify_all()

    def close(self) -> None:
        """Closes all engines; what they have under way is answered first."""
        with self._building, self._changed:
            while self._kept:
                self._kept.popitem()[1].engine.close()

    def _take(self, key: K) -> _Kept:
        if kept := self._lent_again(key):
            return kept
        with self._building:
            if kept := self._lent_again(key):
                return kept
            with self._changed:
                while len(self._kept) >= self._most and not self._close_one():
                    self._changed.wait()
            kept = _Kept(self._built(key), 1)
            with self._changed:
                self._kept[key] = kept
            return kept

    def _lent_again(self, key: K) -> _Kept | None:
        with self._changed:
            kept = self._kept.get(key)
            if kept is None or kept.engine.stopped:
                return None
            kept.lent += 1
            self._kept.move_to_end(key)
            return kept

    def _built(self, key: K) -> Engine:
        try:
            return self._build(key)
        except ModelError:
            # It may be memory that is missing, which engines have that nobody uses.
            with self._changed:
                if not self._close_one():
                    raise
                while self._close_one():
                    pass
            return self._build(key)

    def _close_one(self) -> bool:
        """Closes the engine in no use that was not lent for longest; returns whether there was one."""
        for key, kept in self._kept.items():
            if not kept.lent:
                del self._kept[key]
                _log.info("closing %s on %s", kept.engine.info.model, kept.engine.info.device)
                kept.engine.close()
                return True
        return False
