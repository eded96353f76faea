"""Answers by workers elsewhere, through the queue."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from askpix.producer.asking import Ask
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError, BrokerError
from askpix.producer.items import Turn
from askpix.worker.engine.base import Ability
from askpix.worker.item_errors import ItemError
from askpix.worker.playground.form import Asked
from askpix.worker.playground.here import SHOW_SECONDS, STOPPED
from askpix.worker.playground.models import AtHand, Chosen
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told, told_of

_LOOK_SECONDS = 0.5
"""Between two looks at whether somebody has stopped waiting."""

_WAIT_SECONDS = 120.0

_MOST_ASKS = 4
"""That workers have of us: they have others to serve."""


class Elsewhere:
    """Answers with the models that live workers serve.

    Args:
        client: on their broker.
    """

    precisions: tuple[str, ...] = ()

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._asks = 0
        """That somebody reads."""

    def models(self) -> Sequence[AtHand]:
        told: dict[str, list[frozenset[str]]] = {}
        for worker in self._client.workers():
            for served in worker.models:
                told.setdefault(served.name, []).append(frozenset(served.abilities))
        return [AtHand(name=name, abilities=_common(abilities)) for name, abilities in sorted(told.items())]

    def tell(
        self, chosen: Chosen, images: Sequence[bytes], asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        with self._one():
            sent = self._sent(chosen, images, asked, history)
            stop.listen(partial(_cancel, sent))
            try:
                yield Told(facts="in the queue")
                yield from _told(sent, stop)
            finally:
                # Also where nobody wants to know any more; what has ended is as it is.
                _cancel(sent)

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
            stream=True,
        )

    @contextmanager
    def _one(self) -> Iterator[None]:
        """Counts an ask that workers have of us; raises AskpixError where they have enough."""
        with self._lock:
            if self._asks >= _MOST_ASKS:
                raise AskpixError("earlier questions are still being answered: ask again in a moment")
            self._asks += 1
        try:
            yield
        finally:
            with self._lock:
                self._asks -= 1


def _sendable(images: Sequence[bytes], history: Sequence[Turn]) -> tuple[str | None, Sequence[Turn]]:
    """Returns the image of a question, if there is a new one, and the turns with theirs, as messages have them."""
    uris = iter("data:application/octet-stream;base64," + base64.b64encode(image).decode() for image in images)
    turns = [replace(turn, images=tuple(next(uris) for _ in turn.images)) for turn in history]
    return next(uris, None), turns


def _told(sent: Ask, stop: Stop) -> Iterator[Told]:
    """Yields an answer as it comes, until it is there or was stopped."""
    text, shown = "", 0.0
    for piece in _pieces(sent, stop):
        text += piece
        if time.monotonic() - shown > SHOW_SECONDS:
            yield Told(text=text, facts="answering")
            shown = time.monotonic()
    if stop.is_set:
        yield Told(text=text, facts=STOPPED, said=text or None)
        return
    row = sent.get(0)
    if row.error_code is not None:
        raise ItemError(row.error_code, row.error_message or row.error_code)
    if not row.answers:
        raise AskpixError("the worker gave no answer, and did not say why")
    yield told_of(row.answers[0], row.seconds, row.model, row.device, row.precision)


def _pieces(sent: Ask, stop: Stop) -> Iterator[str]:
    """Yields an answer's text as it comes, until it is there or was stopped."""
    ends = time.monotonic() + _WAIT_SECONDS
    while not stop.is_set:
        try:
            for piece in sent.pieces(_LOOK_SECONDS):
                yield piece
                ends = time.monotonic() + _WAIT_SECONDS
                if stop.is_set:
                    return
        except TimeoutError:
            if time.monotonic() > ends:
                why = f"no answer within {_WAIT_SECONDS:.0f} s: is a worker running? `askpix jobs` lists them"
                raise AskpixError(why) from None
        else:
            return


def _cancel(sent: Ask) -> None:
    # A worker notices by itself, too, that nobody reads.
    with suppress(BrokerError):
        sent.cancel()


def _common(told: Sequence[frozenset[str]]) -> frozenset[Ability] | None:
    """Returns what all workers of a model can do with it, whichever of them answers; None where none says."""
    known = [abilities for abilities in told if abilities]
    if not known:
        return None
    common = {ability for ability in Ability if all(ability in abilities for abilities in known)}
    # Who does not say is of an older version, which may refuse what was said before.
    return frozenset(common if len(known) == len(told) else common - {Ability.CHAT})
