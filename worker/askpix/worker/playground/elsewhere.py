"""Answers by workers elsewhere, through the queue."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from askpix.producer.asking import Ask
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError, BrokerError
from askpix.producer.items import Turn
from askpix.producer.rows import Row
from askpix.worker.engine.base import Ability
from askpix.worker.errors import ItemError
from askpix.worker.playground.form import Asked
from askpix.worker.playground.models import AtHand, Chosen
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told, told_of

_LOOK_SECONDS = 0.5
"""Between two looks at whether somebody has stopped waiting."""

_WAIT_SECONDS = 120.0

_MOST_ASKS = 4
"""That workers have of us. Who stops waits no longer, but a worker answers all the same: it has others to serve."""


class Elsewhere:
    """Answers with the models that live workers serve.

    Args:
        client: on their broker.
    """

    precisions: tuple[str, ...] = ()
    stops = False

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._awaited = 0
        """How many asks are waited for."""
        self._left: list[tuple[Ask, float]] = []
        """Those that nobody waits for any more, and when no worker begins with them any more."""

    def models(self) -> Sequence[AtHand]:
        told: dict[str, list[frozenset[str]]] = {}
        for worker in self._client.workers():
            for served in worker.models:
                told.setdefault(served.name, []).append(frozenset(served.abilities))
        return [AtHand(name=name, abilities=_common(abilities)) for name, abilities in sorted(told.items())]

    def tell(
        self, chosen: Chosen, images: Sequence[bytes], asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        ends = time.monotonic() + _WAIT_SECONDS
        self._begin()
        sent = row = None
        try:
            sent = self._sent(chosen, images, asked, history)
            yield Told(facts="in the queue")
            row = _row(sent, ends, stop)
        finally:
            self._end(None if row is not None or sent is None else (sent, ends))
        if row is None:
            yield Told(facts="not waited for any more; the worker answers it all the same")
            return
        if row.error_code is not None:
            raise ItemError(row.error_code, row.error_message or row.error_code)
        if not row.answers:
            raise AskpixError("the worker gave no answer, and did not say why")
        yield told_of(row.answers[0], row.seconds, row.model, row.device, row.precision)

    def close(self) -> None:
        self._client.close()

    def _sent(self, chosen: Chosen, images: Sequence[bytes], asked: Asked, history: Sequence[Turn]) -> Ask:
        image, history = _sendable(images, history)
        return self._client.ask(
            image,
            () if asked.question is None else asked.question,
            model=chosen.model,
            history=history if asked.question is not None else (),
            options=asked.options,
            expires=_WAIT_SECONDS,
        )

    def _begin(self) -> None:
        """Raises AskpixError where workers have enough of us to answer."""
        with self._lock:
            now = time.monotonic()
            self._left = [(sent, ends) for sent, ends in self._left if now < ends and not _has_ended(sent)]
            if self._awaited + len(self._left) >= _MOST_ASKS:
                raise AskpixError("earlier questions are still being answered: ask again in a moment")
            self._awaited += 1

    def _end(self, left: tuple[Ask, float] | None) -> None:
        with self._lock:
            self._awaited -= 1
            if left is not None:
                self._left.append(left)


def _sendable(images: Sequence[bytes], history: Sequence[Turn]) -> tuple[str | None, Sequence[Turn]]:
    """Returns the image of a question, if there is a new one, and the turns with theirs, as messages have them."""
    uris = iter("data:application/octet-stream;base64," + base64.b64encode(image).decode() for image in images)
    if len(images) == 1:
        # As workers know it that have no images in turns.
        return next(uris), [replace(turn, images=()) for turn in history]
    turns = [replace(turn, images=tuple(next(uris) for _ in turn.images)) for turn in history]
    return next(uris, None), turns


def _row(sent: Ask, ends: float, stop: Stop) -> Row | None:
    """Waits for an answer; returns None where it was stopped."""
    while not stop.is_set:
        with suppress(TimeoutError):
            return sent.get(_LOOK_SECONDS)
        if time.monotonic() > ends:
            raise AskpixError(f"no answer within {_WAIT_SECONDS:.0f} s: is a worker running? `askpix jobs` lists them")
    return None


def _has_ended(sent: Ask) -> bool:
    try:
        sent.get(0)
    except (TimeoutError, BrokerError):
        return False
    except AskpixError:
        return True
    return True


def _common(told: Sequence[frozenset[str]]) -> frozenset[Ability] | None:
    """Returns what all workers of a model can do with it, whichever of them answers; None where none says."""
    known = [abilities for abilities in told if abilities]
    if not known:
        return None
    common = {ability for ability in Ability if all(ability in abilities for abilities in known)}
    # Who does not say is of an older version, which may refuse what was said before.
    return frozenset(common if len(known) == len(told) else common - {Ability.CHAT})
