"""Decoding: a lane of rows that join and leave between steps.

The lane holds a fixed number of places. A row has a place from its first step to its last; when it ends,
the next waiting row takes the place at once, or the last row moves there, so that the rows in work are
always the first ones of the lane's buffers and a step computes nothing that nobody waits for. What a row
gets does not depend on the others: each has its own past, position and attended states.
"""

from __future__ import annotations

import logging

import numpy as np
import openvino as ov

from askpix.worker.blip.decoder import Batch, Decoder, Read, rounded
from askpix.worker.blip.graphs import StateType
from askpix.worker.blip.sequences import Group, Row
from askpix.worker.blip.work import Floats, States
from askpix.worker.engine.forms import Form
from askpix.worker.engine.waiting import Waiting
from askpix.worker.item_errors import RequestError
from askpix.worker.logs.about import about, concerning
from askpix.worker.models.blip_manifest import Sizes

_log = logging.getLogger(__name__)


class DecoderLane:
    """Runs a decoder's steps over up to `slots` rows, and up to `urgent_slots` urgent ones beside them.

    Args:
        compiled: the decoder; None for a model that generates nothing, whose requests never come here.
        state_type: in which numbers it takes states.
        form: in which it is compiled.
        sizes: of its tensors.
        width: of the states that its texts attend to.
        slots: rows in work.
        urgent_slots: how many more there may be for an urgent one to be let in.
        start: id of the token that a text begins with.
        end: id of the token that a text ends with.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel | None,
        state_type: StateType,
        form: Form,
        sizes: Sizes,
        *,
        width: int,
        slots: int,
        urgent_slots: int,
        start: int,
        end: int,
    ) -> None:
        self._decoder = Decoder(compiled, state_type)
        self._state_type = state_type
        self._form = form
        self._sizes = sizes
        self._width = width
        self._slots, self._urgent_slots = slots, urgent_slots
        self._start, self._end = start, end
        self._active: list[Row] = []
        self._urgent = 0
        """How many of them are urgent."""
        self._choosing = 0
        """How many of them do not simply take the likeliest token."""
        self.waiting: Waiting[Row] = Waiting()
        self.steps = 0
        self.rows = 0
        """Sum over all steps of the rows in work."""
        self._bound: Batch | None = None
        """What the last step read."""
        self._allocate(0, 0)

    @property
    def busy(self) -> bool:
        return bool(self._active or self.waiting)

    @property
    def in_work(self) -> int:
        """How many rows have a place."""
        return len(self._active)

    @property
    def full(self) -> bool:
        """Whether a step would have rows in all places."""
        return len(self._active) + len(self.waiting) >= self._slots

    @property
    def urgent(self) -> bool:
        """Whether an urgent row is here."""
        return self._urgent > 0 or self.waiting.urgent > 0

    def step(self) -> None:
        """Lets waiting rows in and makes one step; tells those that end. An error fails all in work."""
        self._admit()
        if not self._active:
            return
        try:
            tokens, log_probabilities = self._infer()
            if self._choosing:
                self._choose(tokens, log_probabilities)
        except BaseException as error:
            failed, self._active, self._urgent, self._choosing = self._active, [], 0, 0
            for row in failed:
                row.failed(error)
            raise
        self.steps += 1
        self.rows += len(self._active)
        self._read(tokens, log_probabilities)

    def _infer(self) -> tuple[list[int], list[float]]:
        """Makes one step of the rows in work; returns each one's likeliest token, and its log-probability."""
        count = len(self._active)
        batch = self._batch(count)
        ids, places = batch.read.ids[:count, 0], batch.read.positions[:count, 0]
        for index, row in enumerate(self._active):
            ids[index], places[index] = row.last, row.position
        self._decoder.infer(batch)
        self._cache[:, np.arange(count), :, places] = self._decoder.entries[:count, :, :, 0]
        return self._decoder.tokens[:count, 0].tolist(), self._decoder.log_probabilities[:count, 0].tolist()

    def _choose(self, tokens: list[int], log_probabilities: list[float]) -> None:
        """Has rows that do not simply take the likeliest token say which they take."""
        groups = dict[Group, None]()
        for index, row in enumerate(self._active):
            if row.position < len(row.prompt):
                continue
            if row.chooser is not None:
                tokens[index], log_probabilities[index] = row.chooser.choose(row, self._decoder.logits([index])[0])
            elif row.group is not None:
                groups[row.group] = None
        for group in groups:
            self._advance(group)

    def _advance(self, group: Group) -> None:
        """Has the rows of a group go on, each with the past of the row that it goes on from."""
        places = {id(row): index for index, row in enumerate(self._active)}
        own = [places[id(row)] for row in group.rows]
        origins = group.advance(self._decoder.logits(own))
        moved = [(index, own[origin]) for index, origin in zip(own, origins, strict=True) if index != own[origin]]
        if moved and not group.over:
            there, past = (list(indices) for indices in zip(*moved, strict=True))
            known = group.rows[0].position + 1
            self._cache[:, there, :, :known] = self._cache[:, past, :, :known]

    def _read(self, tokens: list[int], log_probabilities: list[float]) -> None:
        """Has each row go on by its token; those that end leave."""
        # From the last row on: what moves into the place of one that leaves has gone on already.
        for index in range(len(tokens) - 1, -1, -1):
            row = self._active[index]
            ended = row.read(tokens[index], log_probabilities[index], self._end)
            reason = row.given_up()
            if ended or reason is not None:
                self._take_out(index)
                _tell(row, reason)

    def _batch(self, count: int) -> Batch:
        """Returns the first rows of the buffers as what a step reads; what fills them up is computed for nobody."""
        count = self._form.filled(count)
        # Who chooses sees the scores of all tokens. A step of 32 rows and 30,524 words took no longer for it, where
        # an output of its own for logits made it up to a tenth longer, for all (bf16, base size).
        targets = self._sizes.vocabulary if self._choosing else 1
        if self._bound is None or self._bound.read.targets.shape != (count, 1, targets):
            read = Read(
                ids=np.zeros((count, 1), np.int64),
                positions=np.zeros((count, 1), np.int64),
                seen=np.ones((count, 1, 1), np.float32),
                targets=np.tile(np.arange(targets), (count, 1, 1)),
            )
            self._bound = Batch(
                read=read,
                states=self._states[:count],
                mask=self._mask[:count],
                cache=tuple(self._cache[:, :count]),
            )
        return self._bound

    def _admit(self) -> None:
        while self.waiting and len(self._active) + len(self.waiting.front[0].members) <= self._open_slots():
            row = self.waiting.take()
            if reason := row.abandoned():
                row.failed(reason)
                continue
            try:
                for member in row.members:
                    self._let_in(member)
            except Exception as error:  # noqa: BLE001 - its ticket must hear of it, the others go on
                with about(**concerning([row.context])):
                    _log.exception("a row could not be let in")
                row.failed(error)

    def _open_slots(self) -> int:
        return self._slots + (self._urgent_slots if self.waiting.urgent else 0)

    def _let_in(self, row: Row) -> None:
        """Gives a row the next place; where that fails, the lane is as it was.

        Of a group's rows, all alike, that can only be the first one.
        """
        self._fit(row)
        index = len(self._active)
        length = len(row.states)
        self._states[index, :length] = row.states
        self._states[index, length:] = 0
        # A masked place counts nothing only if it is a number: what an overflow left would spoil the row.
        self._cache[:, index] = 0
        self._mask[index, :length] = 1
        self._mask[index, length:] = 0
        row.last = self._start
        self._active.append(row)
        self._urgent += row.urgent
        self._choosing += row.chooses
        row.begun()

    def _take_out(self, index: int) -> None:
        """Frees a place, and moves the last row there."""
        row, last = self._active[index], self._active.pop()
        self._urgent -= row.urgent
        self._choosing -= row.chooses
        if last is row:
            return
        moved = len(self._active)
        self._active[index] = last
        self._cache[:, index] = self._cache[:, moved]
        for buffer in (self._states, self._mask):
            buffer[index] = buffer[moved]

    def _fit(self, row: Row) -> None:
        """Makes the buffers large enough for a row; an empty lane's are made to measure."""
        states, places = rounded(len(row.states)), rounded(row.places)
        if not self._active:
            if (states, places) != (self._states.shape[1], self._places):
                self._allocate(states, places)
            return
        if states <= self._states.shape[1] and places <= self._places:
            return
        old = (self._cache, self._states, self._mask)
        self._allocate(max(states, self._states.shape[1]), max(places, self._places))
        self._cache[:, :, :, : old[0].shape[3]] = old[0]
        self._states[:, : old[1].shape[1]] = old[1]
        self._mask[:, : old[2].shape[1]] = old[2]

    def _allocate(self, states: int, places: int) -> None:
        sizes = self._sizes
        rows = self._slots + self._urgent_slots
        zeros = self._state_type.zeros
        cache = zeros(2 * sizes.layers, rows, sizes.heads, places, sizes.hidden // sizes.heads)
        attended = zeros(rows, states, self._width)
        mask = np.zeros((rows, states), np.float32)
        # All or none: where memory is short, the rows in work go on in the buffers that they have.
        self._cache: States = cache
        self._states: States = attended
        self._mask: Floats = mask
        self._bound = None

    @property
    def _places(self) -> int:
        places: int = self._cache.shape[3]
        return places


def _tell(row: Row, reason: RequestError | None) -> None:
    """Says that a row has ended: with its text, or for a reason."""
    if reason is not None:
        row.failed(reason)
        return
    try:
        row.finished(row)
    except Exception as error:  # noqa: BLE001 - its ticket must hear of it, the others go on
        row.failed(error)
