"""A job that is being followed: what is known of it at a moment, its speed included."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from askpix.producer.followed import JobProgress
from askpix.producer.live import Glimpse
from askpix.producer.pace import Estimate, Pace
from askpix.producer.serving import Unserved

_IDLE_SECONDS = 60.0
"""Without a new item, after which a worker that is gone is not shown any more."""

_LATEST = 5
"""Answers that are shown, at most."""

_KNOWN = 100
"""Answers that are remembered, so that none comes back as a new one."""


_TOLD_OTHERWISE = ("workers", "latest", "serving")
"""Of a job's progress, what is not told as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPace:
    """A worker of a job."""

    name: str
    device: str
    """Empty where it is not known: the worker is gone, or has not said so yet."""

    items: int
    """That it has answered since the job was queued."""

    rate: float
    """Of late, in items a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A job at a moment."""

    progress: JobProgress
    estimate: Estimate
    before: int
    """Items that were done when it was first looked at."""

    workers: tuple[WorkerPace, ...]
    """Those that are there, or were a minute ago, and have answered; the fastest first."""

    latest: tuple[Glimpse, ...]
    """The newest answers, the newest first."""

    @property
    def unserved(self) -> Unserved | None:
        """Why nobody works on it, where nobody does."""
        serving = self.progress.serving
        return None if serving is None else serving.unserved

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        estimate = self.estimate
        return {
            **{name: value for name, value in asdict(self.progress).items() if name not in _TOLD_OTHERWISE},
            "unserved": None if self.unserved is None else self.unserved.to_json(),
            "done_before": self.before,
            "rate": round(estimate.rate, 4),
            "eta_seconds": _rounded(estimate.seconds),
            "eta_soonest": _rounded(estimate.soonest),
            "eta_latest": _rounded(estimate.latest),
            "workers": [{**asdict(worker), "rate": round(worker.rate, 4)} for worker in self.workers],
            "latest": [asdict(glimpse) for glimpse in self.latest],
        }


@dataclass(slots=True)
class _Worker:
    items: int = 0
    moved_at: float = -_IDLE_SECONDS
    pace: Pace = field(default_factory=Pace)


class Following:
    """Follows one job from its first reading on, in bounded memory."""

    def __init__(self) -> None:
        self._devices: dict[str, str] = {}
        """Of workers, by name; also of those that are gone."""
        self._live: frozenset[str] = frozenset()
        """Names of the workers that are there."""
        self._pace = Pace()
        self._before: int | None = None
        """None before the first reading."""
        self._workers: dict[str, _Worker] = {}
        self._latest: deque[Glimpse] = deque(maxlen=_KNOWN)

    def see(self, progress: JobProgress, now: float) -> Seen:
        """Takes a reading.

        Args:
            now: in seconds, by a clock that goes on evenly.
        """
        if self._before is None:
            self._before = progress.done
            # Some of them are gone: those that move are shown.
            self._workers = {name: _Worker(items) for name, items in progress.workers.items()}
        if progress.serving is not None:
            self._devices |= progress.serving.devices
            self._live = frozenset(progress.serving.devices)
        if progress.state == "running" or progress.finished:
            # What workers have made, not what is done: that falls where a part is given back, and what was kept of it
            # comes again at once.
            self._pace.look(now, sum(progress.workers.values()))
        else:
            # What passes while nobody is to work is no part of the speed.
            self._pace = Pace()
            for worker in self._workers.values():
                worker.pace = Pace()
        for glimpse in reversed(progress.latest):
            if glimpse not in self._latest:
                self._latest.appendleft(glimpse)
        return Seen(
            progress=progress,
            estimate=self._pace.estimate(progress.items - progress.done),
            before=self._before,
            workers=self._paces(progress.workers, now),
            latest=tuple(islice(self._latest, _LATEST)),
        )

    def _paces(self, items: Mapping[str, int], now: float) -> tuple[WorkerPace, ...]:
        paces = []
        for name, count in items.items():
            worker = self._workers.setdefault(name, _Worker())
            if count != worker.items:
                worker.items, worker.moved_at = count, now
            if name in self._live or now - worker.moved_at <= _IDLE_SECONDS:
                worker.pace.look(now, count)
                device = self._devices.get(name, "")
                paces.append(WorkerPace(name=name, device=device, items=count, rate=worker.pace.rate()))
            else:
                worker.pace = Pace()
        return tuple(sorted(paces, key=lambda pace: (-pace.rate, pace.name)))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
