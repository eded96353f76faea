"""Engines that are built when they are asked for, of which the last few are kept."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from askpix.worker.engine.base import Engine
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import MemoryShortError, RequestError
from askpix.worker.playground.stop import Stop

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
        self._is_building = False
        """One at a time: two would take memory and cores from each other."""

    @contextmanager
    def lend(self, key: K, stop: Stop) -> Iterator[Engine]:
        """Yields an engine, which stays open meanwhile; waits where all places are taken by engines in use.

        Args:
            stop: ends the wait, but not while an engine is built: that one is kept.

        Raises:
            ModelError, DeviceError: it cannot be built.
            RequestError: with the code `cancelled`, where it was stopped.
        """
        stop.listen(self._wake)
        kept = self._take(key, stop)
        try:
            _unless(stop)
            yield kept.engine
        finally:
            with self._changed:
                kept.lent -= 1
                # It may have failed as a whole: the next one is built anew.
                failed = kept.engine.stopped
                if failed and self._kept.get(key) is kept:
                    del self._kept[key]
                unused = failed and not kept.lent
                self._changed.notify_all()
            if unused:
                kept.engine.close()

    def close(self) -> None:
        """Closes all engines; what they have under way is answered first."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_building)
            kept = list(self._kept.values())
            self._kept.clear()
        _close(kept)

    def _take(self, key: K, stop: Stop) -> _Kept:
        with self._changed:
            self._changed.wait_for(lambda: stop.is_set or self._open(key) or not self._is_building)
            _unless(stop)
            if kept := self._open(key):
                kept.lent += 1
                self._kept.move_to_end(key)
                return kept
            self._is_building = True
        try:
            self._make_room(key, stop)
            kept = _Kept(self._built(key), 1)
            with self._changed:
                self._kept[key] = kept
            return kept
        finally:
            with self._changed:
                self._is_building = False
                self._changed.notify_all()

    def _open(self, key: K) -> _Kept | None:
        kept = self._kept.get(key)
        return None if kept is None or kept.engine.stopped else kept

    def _make_room(self, key: K, stop: Stop) -> None:
        out = []
        with self._changed:
            failed = self._kept.pop(key, None)
            if failed is not None and not failed.lent:
                out.append(failed)
            while len(self._kept) >= self._most and not stop.is_set:
                if unused := self._unused():
                    out.append(unused)
                else:
                    self._changed.wait()
        _close(out)
        _unless(stop)

    def _built(self, key: K) -> Engine:
        try:
            return self._build(key)
        except MemoryShortError:
            # Engines that nobody uses have some.
            with self._changed:
                out = list(iter(self._unused, None))
            if not out:
                raise
            _close(out)
            return self._build(key)

    def _unused(self) -> _Kept | None:
        """Takes out the engine in no use that was not lent for longest; None where there is none."""
        for key, kept in self._kept.items():
            if not kept.lent:
                return self._kept.pop(key)
        return None

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _unless(stop: Stop) -> None:
    if stop.is_set:
        raise RequestError(Code.CANCELLED, "it was stopped", retryable=True)


def _close(out: Iterable[_Kept]) -> None:
    # Not while others wait to look at the shelf: what an engine has under way is answered first.
    for kept in out:
        _log.info("closing %s on %s", kept.engine.info.model, kept.engine.info.device)
        kept.engine.close()
