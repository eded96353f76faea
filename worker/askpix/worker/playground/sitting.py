"""What the page remembers of a person: the conversation, and what is being answered now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from askpix.producer.errors import AskpixError
from askpix.worker.playground.conversation import Conversation, Said
from askpix.worker.playground.stop import Stop

_MOST = 100
"""Open pages that are remembered; of those that have nothing answered, the one not used for longest is forgotten."""


class Sitting:
    """One open page. Of what it asks, the latest counts, until it is cleared."""

    def __init__(self) -> None:
        self.asks = 0
        """That have not ended."""
        self._lock = threading.Lock()
        self._conversations: dict[int, Conversation] = {}
        self._latest: Stop | None = None
        """Of the latest ask; None where there was none since it was cleared."""

    def begin(self) -> Stop:
        """Says that something is asked: what was asked before is stopped. Returns what stops it."""
        latest = Stop()
        with self._lock:
            before, self._latest = self._latest, latest
        _set(before)
        return latest

    def stop(self) -> None:
        _set(self._latest)

    def clear(self) -> None:
        """Stops, and forgets what was said."""
        with self._lock:
            before, self._latest = self._latest, None
            self._conversations = {}
        _set(before)

    @property
    def is_clear(self) -> bool:
        """Whether nothing was asked since it was cleared."""
        return self._latest is None

    def counts(self, ask: Stop) -> bool:
        """Returns whether an ask is the latest, be it stopped, and nothing was cleared since."""
        return self._latest is ask

    def conversation(self, ask: Stop, side: int, about: Hashable) -> Conversation:
        """Returns what was said on a side of the page with, or about, something.

        What was said with another, or about another, is forgotten.
        """
        with self._lock:
            talk = self._conversations.get(side)
            if talk is None or talk.about != about:
                # A new one: who is still at the old one writes into that.
                talk = Conversation(about=about)
                if self.counts(ask):
                    self._conversations[side] = talk
            return talk

    def add(self, ask: Stop, talk: Conversation, said: Said) -> None:
        """Adds what was answered to a conversation, unless something else was asked meanwhile."""
        with self._lock:
            if self.counts(ask):
                talk.add(said)


class Sittings:
    """The open pages, by what the browser calls them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sittings: OrderedDict[str, Sitting] = OrderedDict()

    @contextmanager
    def asking(self, name: str) -> Iterator[tuple[Sitting, Stop]]:
        """Yields a page that asks something, and what stops that.

        Raises:
            AskpixError: as many pages as are remembered have something answered.
        """
        with self._lock:
            sitting = self._sittings.get(name) or self._added(name)
            self._sittings.move_to_end(name)
            sitting.asks += 1
        try:
            yield sitting, sitting.begin()
        finally:
            with self._lock:
                sitting.asks -= 1

    def find(self, name: str) -> Sitting | None:
        """Returns a page that has asked something; None where it has not."""
        return self._sittings.get(name)

    def end(self, name: str) -> None:
        """Says that a page was closed: nobody waits for what it has asked."""
        with self._lock:
            sitting = self._sittings.pop(name, None)
        if sitting is not None:
            sitting.stop()

    def end_all(self) -> None:
        for name in list(self._sittings):
            self.end(name)

    def _added(self, name: str) -> Sitting:
        if len(self._sittings) >= _MOST:
            idle = next((other for other, sitting in self._sittings.items() if not sitting.asks), None)
            if idle is None:
                raise AskpixError("too many pages are being answered: ask again in a moment")
            del self._sittings[idle]
        return self._sittings.setdefault(name, Sitting())


def _set(stop: Stop | None) -> None:
    if stop is not None:
        stop.set()
