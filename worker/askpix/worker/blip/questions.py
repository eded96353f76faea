"""The question encoder: questions, each looking at its own image, become states that answers attend to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import openvino as ov

from askpix.worker.blip.text import padded
from askpix.worker.blip.under_way import UnderWay
from askpix.worker.blip.waiting import Waiting
from askpix.worker.blip.work import Floats, Job

QUESTION_BATCH = 16


class QuestionStage:
    """Encodes questions whose images are encoded.

    Args:
        compiled: the text encoder; None for a model that only captions, whose questions never come here.
        pad: the id that fills up the shorter questions of a batch.
        under_way: is told of requests that end here.
        understood: takes each request with its states, float32 [N, hidden], N being its question's own length.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel | None,
        pad: int,
        under_way: UnderWay,
        understood: Callable[[Job, Floats], None],
    ) -> None:
        self._request = None if compiled is None else compiled.create_infer_request()
        self._pad = pad
        self._under_way = under_way
        self._understood = understood
        self.waiting: Waiting[Job] = Waiting()
        self.batches = 0
        self.questions = 0
        """Questions that were encoded."""

    def step(self) -> None:
        """Encodes one batch of what is waiting. An error fails the batch's requests."""
        batch: list[Job] = []
        while self.waiting and len(batch) < QUESTION_BATCH:
            job = self.waiting.take()
            if not self._under_way.abandoned(job):
                batch.append(job)
        if not batch:
            return
        try:
            states = self._states(batch)
        except BaseException as error:
            for job in batch:
                self._under_way.fail(job, error)
            raise
        self.batches += 1
        self.questions += len(batch)
        for job, own in zip(batch, states, strict=True):
            self._understood(job, own)

    def _states(self, batch: Sequence[Job]) -> list[Floats]:
        assert self._request is not None
        ids, mask = padded([job.question_ids for job in batch], self._pad)
        images = np.stack([job.image.states for job in batch if job.image.states is not None])
        for name, array in (("ids", ids), ("mask", mask), ("image_states", images)):
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._request.infer()
        states = self._request.get_tensor("states").data
        return [own[: len(job.question_ids)].copy() for job, own in zip(batch, states, strict=True)]
