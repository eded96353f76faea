"""Which batch the device does next.

The device does one thing at a time, and that is cheapest in full batches. So a stage runs that has a full batch, of
several the last; where none has, more images are encoded; and where there are none, what there is runs, after a moment
if requests keep coming: see `Gathering`. Urgent requests and stages that have waited for long come before all that.

How much a batch holds, each stage says itself: `vision.py` of images, `questions.py` of questions, `choices.py` of
choices, `lane.py` of rows that are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from askpix.worker.blip.gathering import Gathering
from askpix.worker.blip.stages import Turns
from askpix.worker.blip.vision import VisionStage


class Batching:
    """Decides what runs whenever the device is free. Belongs to the engine's thread.

    Args:
        vision: the first stage, which computes by itself once it has begun.
        stages: those behind it, in the order in which requests come through them.
        step: runs one of these.
    """

    def __init__(self, vision: VisionStage, stages: Sequence[Turns], step: Callable[[Turns], None]) -> None:
        self._vision = vision
        self._stages = stages
        self._step = step
        self._gathering = Gathering()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to run."""
        return not (self._vision.ready or any(stage.busy for stage in self._stages))

    @property
    def seconds(self) -> float:
        """For which to wait for more requests; 0 where something is not to wait, or none is expected."""
        presses = self._vision.urgent or self._vision.full or self._pressing() is not None
        return 0.0 if presses else self._gathering.seconds

    def came(self) -> None:
        """Says that a request has come."""
        self._gathering.came()

    def run(self) -> None:
        """Begins a wave of images, or runs the stages whose turn it is; or nothing, while more is to be waited for."""
        if self._vision.urgent:
            self._vision.begin()
        elif (pressing := self._pressing()) is not None:
            self._run_stages([pressing])
        elif self._vision.ready and (self._vision.full or not self._gathering.seconds):
            self._vision.begin()
        elif not self._gathering.seconds:
            self._run_stages([one for one in self._stages if one.busy])
            self._gathering.begin()

    def _pressing(self) -> Turns | None:
        """Returns the stage that is not to wait."""
        # Urgent ones that came together stay together, so the first stage first; the others, from the last one.
        orders = ((Turns.is_urgent, 1), (Turns.is_overdue, -1), (Turns.is_full, -1))
        for at_once, order in orders:
            for one in self._stages[::order]:
                if at_once(one):
                    return one
        return None

    def _run_stages(self, chosen: list[Turns]) -> None:
        for one in self._stages:
            one.waited += 1
        for one in chosen:
            self._step(one)
