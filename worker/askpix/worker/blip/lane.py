"""Decoding: a lane of rows that join and leave between steps.

The lane holds a fixed number of places. A row has a place from its first step to its last; when it ends,
the next waiting row takes the place at once, or the last row moves there, so that the rows in work are
always the first ones of the lane's buffers and a step computes nothing that nobody waits for. What a row
gets does not depend on the others: each has its own past, position and attended states.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import openvino as ov

from askpix.worker.blip.decoder import Batch, Decoder, Read, rounded
from askpix.worker.blip.failures import spoiled
from askpix.worker.blip.graphs import StateType
from askpix.worker.blip.waiting import Waiting
from askpix.worker.blip.work import Floats, States
from askpix.worker.errors import RequestError
from askpix.worker.models.manifest import Sizes

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Sequence:
    """A text to decode."""

    states: States
    """[S, E], what the text attends to."""

    prompt: list[int]
    """Tokens that the text begins with."""

    max_new_tokens: int
    finished: Callable[[Sequence], None]
    abandoned: Callable[[], RequestError | None]
    """Says why nobody waits for this any more."""

    failed: Callable[[BaseException], None]
    tokens: list[int] = field(default_factory=list)
    """Generated tokens; the end token is the last, unless the text was cut."""

    log_probabilities: list[float] = field(default_factory=list)
    urgent: bool = False
    position: int = 0
    last: int = 0

    @property
    def places(self) -> int:
        """Positions that the sequence can need."""
        return len(self.prompt) + self.max_new_tokens

    def read(self, token: int, log_probability: float, end: int) -> bool:
        """Goes on by one position: with its prompt, or else with the token that is the likeliest there.

        Returns whether that was its last: the token `end`, or the last that it may have.
        """
        position = self.position
        self.position = position + 1
        if position < len(self.prompt):
            self.last = self.prompt[position]
            return False
        self.tokens.append(token)
        self.log_probabilities.append(log_probability)
        self.last = token
        return token == end or len(self.tokens) >= self.max_new_tokens


class DecoderLane:
    """Runs a decoder's steps over up to `slots` sequences, and up to `urgent_slots` urgent ones beside them.

    Args:
        compiled: the decoder.
        state_type: in which numbers it takes states.
        sizes: of its tensors.
        width: of the states that its texts attend to.
        slots: sequences in work.
        urgent_slots: how many more there may be for an urgent one to be let in.
        start: id of the token that a text begins with.
        end: id of the token that a text ends with.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel,
        state_type: StateType,
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
        self._sizes = sizes
        self._width = width
        self._slots, self._urgent_slots = slots, urgent_slots
        self._start, self._end = start, end
        self._active: list[Sequence] = []
        self._urgent = 0
        """How many of them are urgent."""
        self.waiting: Waiting[Sequence] = Waiting()
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
    def full(self) -> bool:
        """Whether a step would have rows in all places."""
        return len(self._active) + len(self.waiting) >= self._slots

    @property
    def urgent(self) -> bool:
        """Whether an urgent sequence is here."""
        return self._urgent > 0 or self.waiting.urgent > 0

    def step(self) -> None:
        """Lets waiting sequences in and makes one step; tells those that end. An error fails all in work."""
        self._admit()
        if not self._active:
            return
        try:
            tokens, log_probabilities = self._infer()
        except BaseException as error:
            failed, self._active, self._urgent = self._active, [], 0
            for sequence in failed:
                sequence.failed(error)
            raise
        self.steps += 1
        self.rows += len(self._active)
        self._read(tokens, log_probabilities)

    def _infer(self) -> tuple[list[int], list[float]]:
        """Makes one step of the rows in work; returns for each the token that follows, and its log-probability."""
        count = len(self._active)
        batch = self._batch(count)
        ids, places = batch.read.ids[:, 0], batch.read.positions[:, 0]
        for row, sequence in enumerate(self._active):
            ids[row], places[row] = sequence.last, sequence.position
        self._decoder.infer(batch)
        self._cache[:, np.arange(count), :, places] = self._decoder.entries[:, :, :, 0]
        return self._decoder.tokens[:, 0].tolist(), self._decoder.log_probabilities[:, 0].tolist()

    def _read(self, tokens: list[int], log_probabilities: list[float]) -> None:
        """Has each row go on by its token; those that end leave."""
        # From the last row on: what moves into the place of one that leaves has gone on already.
        for index in range(len(tokens) - 1, -1, -1):
            sequence = self._active[index]
            ended = sequence.read(tokens[index], log_probabilities[index], self._end)
            reason = sequence.abandoned()
            if ended or reason is not None:
                self._take_out(index)
                _tell(sequence, reason)

    def _batch(self, count: int) -> Batch:
        """Returns the first rows of the buffers as what a step reads."""
        if self._bound is None or len(self._bound.states) != count:
            read = Read(
                ids=np.zeros((count, 1), np.int64),
                positions=np.zeros((count, 1), np.int64),
                seen=np.ones((count, 1, 1), np.float32),
                targets=np.zeros((count, 1, 1), np.int64),
            )
            self._bound = Batch(
                read=read,
                states=self._states[:count],
                mask=self._mask[:count],
                cache=tuple(self._cache[:, :count]),
            )
        return self._bound

    def _admit(self) -> None:
        while self.waiting and len(self._active) < self._open_slots():
            sequence = self.waiting.take()
            if reason := sequence.abandoned():
                sequence.failed(reason)
                continue
            try:
                self._let_in(sequence)
            except Exception as error:  # noqa: BLE001 - its ticket must hear of it, the others go on
                _log.exception("a row could not be let in")
                sequence.failed(error)

    def _open_slots(self) -> int:
        return self._slots + (self._urgent_slots if self.waiting.urgent else 0)

    def _let_in(self, sequence: Sequence) -> None:
        """Gives a sequence the next place; where that fails, the lane is as it was."""
        self._fit(sequence)
        index = len(self._active)
        length = len(sequence.states)
        self._states[index, :length] = sequence.states
        self._states[index, length:] = 0
        # A masked place counts nothing only if it is a number: what an overflow left would spoil the row.
        self._cache[:, index] = 0
        self._mask[index, :length] = 1
        self._mask[index, length:] = 0
        sequence.last = self._start
        self._active.append(sequence)
        self._urgent += sequence.urgent

    def _take_out(self, index: int) -> None:
        """Frees a place, and moves the last row there."""
        sequence, last = self._active[index], self._active.pop()
        self._urgent -= sequence.urgent
        if last is sequence:
            return
        moved = len(self._active)
        self._active[index] = last
        self._cache[:, index] = self._cache[:, moved]
        for buffer in (self._states, self._mask):
            buffer[index] = buffer[moved]

    def _fit(self, sequence: Sequence) -> None:
        """Makes the buffers large enough for a sequence; an empty lane's are made to measure."""
        states, places = rounded(len(sequence.states)), rounded(sequence.places)
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


def _tell(sequence: Sequence, reason: RequestError | None) -> None:
    """Says that a sequence has ended: with its text, or for a reason."""
    if reason is None:
        reason = spoiled(sequence.log_probabilities)
    if reason is not None:
        sequence.failed(reason)
        return
    try:
        sequence.finished(sequence)
    except Exception as error:  # noqa: BLE001 - its ticket must hear of it, the others go on
        sequence.failed(error)
