"""An engine that answers after a while, without a model: what a fleet costs is what is around the models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from askpix.producer.rows import Answer, Kind
from askpix.worker.engine.base import Ability, EngineInfo, ImageHandle, Request
from askpix.worker.engine.threaded import ThreadedEngine
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import ImageForm, Pixels

MODEL = "stand-in"

CAPACITY = 64
"""Requests under way; a quarter of what a BLIP engine takes, so that some of a part are always yet to come."""

_AT_ONCE = 8
"""Requests that it sleeps for in one go: each wakes a thread, which takes a processor from 63 other workers."""


class StandInImage(ImageHandle):
    """Nothing but a handle: nobody looks at it."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Request:
    ticket: Ticket
    counts: bool


class StandIn(ThreadedEngine[_Request]):
    """Captions one image after the other, each in the same time, in which the processor is somebody else's.

    Args:
        seconds: an image.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(_Request, CAPACITY)
        self.recipe = partial(StandIn, seconds)
        self._seconds = seconds
        self.info = EngineInfo(model=MODEL, fingerprint=f"stand-in-{seconds:g}", device="CPU", precision="none")
        self.abilities = frozenset((Ability.CAPTION,))
        self.image_form = ImageForm(width=1, height=1)
        self._thread.start()

    def open_image(self, pixels: Pixels) -> ImageHandle:  # noqa: ARG002 - as in the base class
        return StandInImage()

    def counters(self) -> Mapping[str, int]:
        return {"answers": self._under_way.answers}

    def _read(self, request: Request) -> _Request:
        ticket = Ticket(request.deadline, request.seconds, None)
        return _Request(ticket=ticket, counts=not request.urgent)

    def _turn(self) -> None:
        entry = self._inbox.get()
        requests: list[_Request] = []
        while True:
            if entry is not None:
                self._take_in(entry)
                entry.ticket.begin()
                requests.append(entry)
            if len(requests) >= _AT_ONCE or self._inbox.empty():
                break
            entry = self._inbox.get()
        time.sleep(self._seconds * len(requests))
        for request in requests:
            if not self._under_way.abandoned(request):
                answer = Answer(name="caption", kind=Kind.CAPTION, text="a stand-in", confidence=1.0, tokens=3)
                self._under_way.finish(request, answer)
        self._ended_at = time.monotonic()
