"""Who serves a job's model, and where nobody does, why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from askpix.producer.errors import BrokerError
from askpix.producer.queues import device_kind, queue_name
from askpix.producer.registry import WorkerInfo
from askpix.producer.words import counted

_LOOK_SECONDS = 5.0
"""Between two looks at what live workers there are: one command, and their announcements are as often."""

_SOON_SECONDS = 2.0
"""The same, where something is expected: a worker, since none is there, or to be told of one that is new."""

_NAMED = 5
"""Models or devices that are named, at most."""


class Lack(StrEnum):
    """Why nobody works on a job."""

    NO_WORKER = "no_worker"
    """No worker is running."""

    OTHER_MODELS = "other_models"
    """Those that run serve other models."""

    OTHER_DEVICES = "other_devices"
    """They serve the model on devices of another kind than the job asks for."""

    BUSY = "busy"
    """They have as many parts of other jobs in work as they take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unserved:
    """Nobody takes the parts, or the asks, of a model."""

    reason: Lack
    model: str
    device: str | None
    """The kind of device that is asked for; None: any."""

    models: tuple[str, ...] = ()
    """What is served instead."""

    devices: tuple[str, ...] = ()
    """On which devices the model is served."""

    meant: str | None = None
    """Of these models, the one whose name is much like it."""

    @property
    def short(self) -> str:
        """What is the matter, in some words."""
        if self.reason is Lack.BUSY:
            return f"all that serve {self.model} are busy"
        return f"no worker serves {self.model}{'' if self.device is None else f' on {self.device}'}"

    @property
    def text(self) -> str:
        """The same as a sentence for a person, with what is there instead."""
        said = f"{self.short[:1].upper()}{self.short[1:]}"
        if self.reason is Lack.NO_WORKER:
            return f"{said}: none is running."
        if self.reason is Lack.OTHER_DEVICES:
            return f"{said}: it is served on {_listed(self.devices)}."
        if self.reason is Lack.BUSY:
            return f"{said} with other jobs: this one waits its turn."
        meant = "" if self.meant is None else f" Did you mean {self.meant}?"
        return f"{said}: those that run serve {_listed(self.models)}.{meant}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {**asdict(self), "reason": self.reason.value, "text": self.text}


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """Who takes the parts of a job."""

    devices: Mapping[str, str] = field(default_factory=dict)
    """The device of each live worker that does, by its name."""

    unserved: Unserved | None = None
    """Why none does, or none can now."""


def serving_of(
    workers: Sequence[WorkerInfo],
    model: str,
    device: str | None = None,
    *,
    ask: bool = False,
    in_work: Callable[[], bool] | None = None,
) -> Serving:
    """Returns which of the live workers serve a model.

    Args:
        device: the kind of device that is asked for; None for any.
        ask: whether it is about asks, rather than parts.
        in_work: returns whether a worker has some of it in work; it is called where all seem busy. Without it,
            nobody is taken for busy.
    """
    queue = queue_name(model, device, ask=ask)
    serving = [(worker, served) for worker in workers for served in worker.models if queue in served.queues]
    devices = {worker.name: served.device for worker, served in serving}
    if serving:
        full = all(0 < worker.slots <= worker.parts for worker, _ in serving)
        if full and in_work is not None and not in_work():
            return Serving(devices=devices, unserved=Unserved(reason=Lack.BUSY, model=model, device=device))
        return Serving(devices=devices)
    elsewhere = sorted({served.device for worker in workers for served in worker.models if served.name == model})
    models = tuple(sorted({served.name for worker in workers for served in worker.models}))
    kind = None if device is None else device_kind(device)
    if not workers:
        return Serving(unserved=Unserved(reason=Lack.NO_WORKER, model=model, device=kind))
    if elsewhere:
        told = Unserved(reason=Lack.OTHER_DEVICES, model=model, device=kind, models=models, devices=tuple(elsewhere))
        return Serving(unserved=told)
    by_lower = {name.lower(): name for name in models}
    meant = next((by_lower[name] for name in get_close_matches(model.lower(), by_lower, 1)), None)
    return Serving(unserved=Unserved(reason=Lack.OTHER_MODELS, model=model, device=kind, models=models, meant=meant))


class Looks:
    """Looks at who serves a job now and then, while it is followed.

    Args:
        look: returns who does now.
    """

    def __init__(self, look: Callable[[], Serving]) -> None:
        self._look = look
        self._looked = float("-inf")
        self._last: Serving | None = None
        self._known: frozenset[str] = frozenset()

    def at(self, answered: Mapping[str, int], now: float | None = None) -> Serving | None:
        """Returns who does, as far as it is known; None before that.

        Args:
            answered: how many items each worker has answered: a new name is somebody to be looked up soon.
            now: in seconds, by a clock that goes on evenly.
        """
        now = time.monotonic() if now is None else now
        expected = self._last is None or self._last.unserved is not None or not answered.keys() <= self._known
        if now - self._looked >= (_SOON_SECONDS if expected else _LOOK_SECONDS):
            self._looked = now
            try:
                self._last = self._look()
            except BrokerError:
                return self._last  # who follows the job learns of it by the job's own counters
            self._known = frozenset((*answered, *self._last.devices))
        return self._last


def _listed(names: Sequence[str]) -> str:
    shown, more = list(names[:_NAMED]), len(names) - _NAMED
    if more > 0:
        shown.append(counted(more, "other"))
    if not shown:
        return "nothing"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
