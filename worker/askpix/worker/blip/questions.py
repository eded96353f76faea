"""The question encoder: questions, each looking at its own image, become states that answers attend to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov

from askpix.worker.blip.graphs import StateType
from askpix.worker.blip.text import Ids
from askpix.worker.blip.work import BlipImage, BlipRequest, States
from askpix.worker.engine.forms import Form
from askpix.worker.engine.under_way import UnderWay
from askpix.worker.engine.waiting import Waiting

QUESTION_BATCH = 16
"""Images whose questions are encoded together; at the base size more gain nothing, measured with 12 tokens each."""

BATCH_TOKENS = 384
"""Tokens that are encoded together, padding included."""

Rows = dict[BlipImage, list[BlipRequest]]
"""What is encoded together: an image's questions stand in one row, one behind the other."""


class QuestionStage:
    """Encodes questions whose images are encoded.

    Args:
        compiled: the text encoder; None for a model that only captions, whose questions never come here.
        state_type: in which numbers it takes and gives states.
        form: in which it is compiled.
        pad: the id that fills up the shorter rows of a batch.
        under_way: is told of requests that end here.
        understood: takes each request with its states, [N, hidden], N being its question's own length.
        matched: takes each request for a match with what came of it, 0 to 1.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel | None,
        state_type: StateType,
        form: Form,
        *,
        pad: int,
        under_way: UnderWay[BlipRequest],
        understood: Callable[[BlipRequest, States], None],
        matched: Callable[[BlipRequest, float], None],
    ) -> None:
        self._infer_request = None if compiled is None else compiled.create_infer_request()
        self._state_type = state_type
        self._form = form
        self._pad = pad
        self._under_way = under_way
        self._understood = understood
        self._matched = matched
        self.waiting: Waiting[BlipRequest] = Waiting()
        self.batches = 0
        self.questions = 0
        """Questions that were encoded."""

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    @property
    def full(self) -> bool:
        """Whether as much waits as one batch takes, or about so."""
        return len(self.waiting) >= QUESTION_BATCH

    @property
    def urgent(self) -> bool:
        """Whether an urgent request is here."""
        return self.waiting.urgent > 0

    def step(self) -> None:
        """Encodes one batch of what is waiting. An error fails the batch's requests."""
        rows = self._taken()
        if not rows:
            return
        requests = [request for row in rows.values() for request in row]
        try:
            states = self._states(rows)
        except BaseException as error:
            for request in requests:
                self._under_way.fail(request, error)
            raise
        self.batches += 1
        self.questions += len(requests)
        for request, own in zip(requests, states, strict=True):
            if isinstance(own, float):
                self._matched(request, own)
            else:
                self._understood(request, own)

    def _taken(self) -> Rows:
        rows: Rows = {}
        front = self.waiting.front
        while front and fits(rows, front[0]):
            request = front.popleft()
            if not self._under_way.abandoned(request):
                rows.setdefault(request.image, []).append(request)
        return rows

    def _states(self, rows: Rows) -> list[States | float]:
        """Returns for each question its states; for a match, how well the text fits."""
        assert self._infer_request is not None
        ids, positions, questions = packed(
            [[request.question_ids for request in row] for row in rows.values()], self._pad
        )
        states = [image.states for image in rows if image.states is not None]
        # What fills a batch up is computed for nobody: the first row again.
        fill = self._form.filled(len(rows)) - len(rows)
        ids, positions, questions = (np.concatenate([one, *[one[:1]] * fill]) for one in (ids, positions, questions))
        images: Any = np.stack([*states, *[states[0]] * fill])
        for name, array in (("ids", ids), ("positions", positions), ("questions", questions)):
            self._infer_request.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._infer_request.set_tensor("states", self._state_type.tensor(images))
        self._infer_request.infer()
        understood = self._infer_request.get_tensor("understood").data
        found = list[States | float]()
        for row, requests in enumerate(rows.values()):
            place = 0
            for request in requests:
                if request.question is not None and request.question.match:
                    found.append(float(self._infer_request.get_tensor("match").data[row, place]))
                else:
                    found.append(understood[row, place : place + len(request.question_ids)].copy())
                place += len(request.question_ids)
        return found


def fits(rows: Mapping[BlipImage, Sequence[BlipRequest]], request: BlipRequest) -> bool:
    """Returns whether a question goes into a batch: without too much padding, and unless it is full already."""
    if not rows:
        return True
    lengths = {image: sum(len(one.question_ids) for one in row) for image, row in rows.items()}
    lengths[request.image] = lengths.get(request.image, 0) + len(request.question_ids)
    total = len(lengths) * max(lengths.values())
    padding = total - sum(lengths.values())
    return len(lengths) <= QUESTION_BATCH and total <= BATCH_TOKENS and padding <= total // 2


def packed(rows: Sequence[Sequence[Sequence[int]]], pad: int) -> tuple[Ids, Ids, Ids]:
    """Returns the questions of each image in one row, all int64 [I, N].

    These are their ids, their positions, each in its own question, and the questions' numbers: 0, 1 and so on, -1
    for padding.
    """
    longest = max(sum(map(len, row)) for row in rows)
    ids = np.full((len(rows), longest), pad, np.int64)
    positions = np.zeros((len(rows), longest), np.int64)
    questions = np.full((len(rows), longest), -1, np.int64)
    for index, row in enumerate(rows):
        place = 0
        for number, question in enumerate(row):
            end = place + len(question)
            ids[index, place:end] = question
            positions[index, place:end] = range(len(question))
            questions[index, place:end] = number
            place = end
    return ids, positions, questions
