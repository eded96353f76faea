"""Answers by workers elsewhere, through the queue."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from askpix.producer.asking import Ask
from askpix.producer.client import Client
from askpix.producer.errors import AskpixError
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


class Elsewhere:
    """Answers with the models that live workers serve.

    Args:
        client: on their broker.
    """

    precisions: tuple[str, ...] = ()
    stops = False

    def __init__(self, client: Client) -> None:
        self._client = client

    def models(self) -> Sequence[AtHand]:
        abilities: dict[str, frozenset[Ability] | None] = {}
        for worker in self._client.workers():
            for served in worker.models:
                known = {str(ability) for ability in Ability} & set(served.abilities)
                abilities.setdefault(served.name, frozenset(map(Ability, known)) if served.abilities else None)
        return [AtHand(name=name, abilities=can) for name, can in sorted(abilities.items())]

    def tell(self, chosen: Chosen, image: bytes, asked: Asked, history: Sequence[Turn], stop: Stop) -> Iterator[Told]:
        started = time.monotonic()
        reference = "data:application/octet-stream;base64," + base64.b64encode(image).decode()
        sent = self._client.ask(
            reference,
            () if asked.question is None else asked.question,
            model=chosen.model,
            history=history if asked.question is not None else (),
            options=asked.options,
            expires=_WAIT_SECONDS,
        )
        yield Told(facts="in the queue")
        row = _row(sent, started + _WAIT_SECONDS, stop)
        if row is None:
            yield Told(facts="not waited for any more; the worker answers it all the same")
            return
        if row.error_code is not None:
            raise ItemError(row.error_code, row.error_message or row.error_code)
        if not row.answers:
            raise AskpixError("the worker gave no answer, and did not say why")
        told = told_of(row.answers[0], row.seconds, row.model, row.device, row.precision)
        yield told

    def close(self) -> None:
        self._client.close()


def _row(sent: Ask, ends: float, stop: Stop) -> Row | None:
    """Waits for an answer; returns None where it was stopped."""
    while not stop.is_set:
        with suppress(TimeoutError):
            return sent.get(_LOOK_SECONDS)
        if time.monotonic() > ends:
            raise AskpixError(f"no answer within {_WAIT_SECONDS:.0f} s: is a worker running? `askpix jobs` lists them")
    return None
