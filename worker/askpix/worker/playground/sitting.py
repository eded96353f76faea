"""What the page remembers of a person: the conversation about an image, and what is being answered now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from askpix.producer.items import MAX_ANSWER, Turn
from askpix.producer.messages import MAX_TURNS
from askpix.worker.playground.models import Chosen
from askpix.worker.playground.stop import Stop

_MOST = 100
"""Open pages that are remembered; the one that was not used for longest is forgotten."""


@dataclass(slots=True)
class Conversation:
    """What was said about one image with one model."""

    about: tuple[Chosen, str] | None = None
    """The model, and the image's digest."""

    turns: list[Turn] = field(default_factory=list)

    def with_(self, chosen: Chosen, image: str) -> None:
        """Goes on with a model about an image; what was said with another, or about another, is forgotten."""
        if self.about != (chosen, image):
            self.about, self.turns = (chosen, image), []

    def history(self) -> tuple[Turn, ...]:
        """Returns what a model is told: the latest turns, as many as may be."""
        return tuple(self.turns[-MAX_TURNS:])

    def messages(self) -> list[tuple[str, str]]:
        """Returns what was said, as pairs of user or assistant, and text."""
        return [pair for turn in self.turns for pair in (("user", turn.question), ("assistant", turn.answer))]

    def add(self, question: str, answer: str) -> None:
        self.turns.append(Turn(question, answer[:MAX_ANSWER]))


class Sitting:
    """One open page."""

    def __init__(self) -> None:
        self._conversations: dict[int, Conversation] = {}
        self._stop = Stop()

    def conversation(self, side: int) -> Conversation:
        """Returns what was said on a side of the page."""
        return self._conversations.setdefault(side, Conversation())

    def begin(self) -> Stop:
        """Says that something is asked: what was asked before is stopped. Returns what stops it."""
        self._stop.set()
        self._stop = Stop()
        return self._stop

    def stop(self) -> None:
        self._stop.set()

    def clear(self) -> None:
        """Stops, and forgets what was said."""
        self._stop.set(forget=True)
        self._conversations = {}


class Sittings:
    """The open pages, by what the browser calls them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sittings: OrderedDict[str, Sitting] = OrderedDict()

    def of(self, name: str) -> Sitting:
        with self._lock:
            sitting = self._sittings.setdefault(name, Sitting())
            self._sittings.move_to_end(name)
            if len(self._sittings) > _MOST:
                self._sittings.popitem(last=False)[1].stop()
            return sitting

    def end(self, name: str) -> None:
        """Says that a page was closed: nobody waits for what it has asked."""
        with self._lock:
            sitting = self._sittings.pop(name, None)
        if sitting is not None:
            sitting.stop()

    def end_all(self) -> None:
        for name in list(self._sittings):
            self.end(name)
