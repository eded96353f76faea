"""Decoding: a lane of rows that join and leave between steps.

The lane holds a fixed number of places. A row has a place from its first step to its last; when it ends,
the next waiting row takes the place at once, or the last row moves there, so that the rows in work are
always the first ones of the lane's buffers and a step computes nothing that nobody waits for. What a row
gets does not depend on the others: each has its own past, position and attended states.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import openvino as ov

from askpix.worker.blip.waiting import Waiting
from askpix.worker.blip.work import Floats
from askpix.worker.errors import RequestError
from askpix.worker.models.manifest import Sizes

_log = logging.getLogger(__name__)

_ROUND = 16
"""Buffers grow by this many states or positions, so that few shapes are ever compiled."""


@dataclass(kw_only=True, slots=True)
class Sequence:
    """A text to decode, or to score."""

    states: Floats
    """float32 [S, E], what the text attends to."""

    forced: list[int]
    """Tokens that the text begins with: a prompt, or all of a choice."""

    scored_from: int
    """How many of the forced tokens are given rather than scored."""

    max_new_tokens: int
    finished: Callable[[Sequence], None]
    abandoned: Callable[[], RequestError | None]
    """Says why nobody waits for this any more."""

    failed: Callable[[BaseException], None]
    tokens: list[int] = field(default_factory=list)
    """Generated or scored tokens; the end token is the last, unless the text was cut."""

    log_probabilities: list[float] = field(default_factory=list)
    position: int = 0
    last: int = 0

    @property
    def places(self) -> int:
        """Positions that the sequence can need."""
        return self.scored_from + self.max_new_tokens


class DecoderLane:
    """Runs a decoder's steps over up to `slots` sequences, and up to `urgent_slots` urgent ones beside them.

    Args:
        compiled: the decoder.
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
        sizes: Sizes,
        *,
        width: int,
        slots: int,
        urgent_slots: int,
        start: int,
        end: int,
    ) -> None:
        self._request = compiled.create_infer_request()
        self._sizes = sizes
        self._width = width
        self._slots, self._urgent_slots = slots, urgent_slots
        self._start, self._end = start, end
        self._active: list[Sequence] = []
        self.waiting: Waiting[Sequence] = Waiting()
        self.steps = 0
        self.rows = 0
        """Sum over all steps of the rows in work."""
        self._allocate(0, 0)

    @property
    def busy(self) -> bool:
        return bool(self._active or self.waiting)

    def step(self) -> None:
        """Lets waiting sequences in and makes one step; tells those that end. An error fails all in work."""
        self._admit()
        if not self._active:
            return
        try:
            tokens, log_probabilities = self._infer()
        except BaseException as error:
            failed, self._active = self._active, []
            for sequence in failed:
                sequence.failed(error)
            raise
        self.steps += 1
        self.rows += len(self._active)
        for sequence, token, log_probability in zip(self._active, tokens, log_probabilities, strict=True):
            if sequence.position >= sequence.scored_from:
                sequence.tokens.append(int(token))
                sequence.log_probabilities.append(float(log_probability))
            sequence.position += 1
            sequence.last = int(token)
        self._release()

    def _infer(self) -> tuple[npt.NDArray[np.int64], Floats]:
        count = len(self._active)
        positions = np.array([sequence.position for sequence in self._active], np.int64)
        inputs = {
            "ids": np.array([sequence.last for sequence in self._active], np.int64),
            "positions": positions,
            "forced": np.array([_forced(sequence) for sequence in self._active], np.int64),
            "cache": self._cache[:count],
            "states": self._states[:count],
            "mask": self._mask[:count],
        }
        for name, array in inputs.items():
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._request.infer()
        self._cache[np.arange(count), :, :, positions] = self._request.get_tensor("entry").data
        return self._request.get_tensor("token").data.copy(), self._request.get_tensor("log_probability").data.copy()

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
        self._cache[index] = 0
        self._mask[index, :length] = 1
        self._mask[index, length:] = 0
        sequence.last = self._start
        self._active.append(sequence)

    def _release(self) -> None:
        """Takes ended sequences out, moving the last ones into their places."""
        index = 0
        while index < len(self._active):
            sequence = self._active[index]
            reason = sequence.abandoned()
            if reason is None and not self._ended(sequence):
                index += 1
                continue
            last = self._active.pop()
            if last is not sequence:
                moved = len(self._active)
                self._active[index] = last
                for buffer in (self._cache, self._states, self._mask):
                    buffer[index] = buffer[moved]
            if reason is None:
                reason = _spoiled(sequence)
            if reason is not None:
                sequence.failed(reason)
                continue
            try:
                sequence.finished(sequence)
            except Exception as error:  # noqa: BLE001 - its ticket must hear of it, the others go on
                sequence.failed(error)

    def _ended(self, sequence: Sequence) -> bool:
        generated = sequence.tokens
        if not generated:
            return False
        if sequence.position < len(sequence.forced):
            return False
        return generated[-1] == self._end or len(generated) >= sequence.max_new_tokens

    def _fit(self, sequence: Sequence) -> None:
        """Makes the buffers large enough for a sequence; an empty lane's are made to measure."""
        states, places = _rounded(len(sequence.states)), _rounded(sequence.places)
        if not self._active:
            if (states, places) != (self._states.shape[1], self._cache.shape[3]):
                self._allocate(states, places)
            return
        if states <= self._states.shape[1] and places <= self._cache.shape[3]:
            return
        old = (self._cache, self._states, self._mask)
        self._allocate(max(states, self._states.shape[1]), max(places, self._cache.shape[3]))
        self._cache[:, :, :, : old[0].shape[3]] = old[0]
        self._states[:, : old[1].shape[1]] = old[1]
        self._mask[:, : old[2].shape[1]] = old[2]

    def _allocate(self, states: int, places: int) -> None:
        sizes = self._sizes
        rows = self._slots + self._urgent_slots
        cache = np.zeros((rows, 2 * sizes.layers, sizes.heads, places, sizes.hidden // sizes.heads), np.float32)
        attended = np.zeros((rows, states, self._width), np.float32)
        mask = np.zeros((rows, states), np.float32)
        # All or none: where memory is short, the rows in work go on in the buffers that they have.
        self._cache: Floats = cache
        self._states: Floats = attended
        self._mask: Floats = mask


def _spoiled(sequence: Sequence) -> RequestError | None:
    """Returns an error where a number overflowed, as half precision can: the tokens then mean nothing."""
    if math.isfinite(sum(sequence.log_probabilities)):
        return None
    return RequestError("model_failed", "the model's numbers overflowed on this request; try --precision f32")


def _forced(sequence: Sequence) -> int:
    return sequence.forced[sequence.position] if sequence.position < len(sequence.forced) else -1


def _rounded(number: int) -> int:
    return -(-number // _ROUND) * _ROUND
