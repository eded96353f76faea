"""One pass of the text decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import openvino as ov

from askpix.worker.blip.forms import ROUND
from askpix.worker.blip.graphs import StateType
from askpix.worker.blip.text import Ids
from askpix.worker.blip.work import Floats, States


def rounded(length: int) -> int:
    """Returns to what length states and caches are padded, so that few shapes are ever compiled."""
    return -(-length // ROUND) * ROUND


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Read:
    """The tokens that B rows read in one pass, N each."""

    ids: Ids
    """int64 [B, N]."""

    positions: Ids
    """int64 [B, N], of each token in its own text."""

    seen: Floats
    """float32 [B, N, N], 1 where a token sees another one of those that are read, or itself."""

    targets: Ids
    """int64 [B, N, K], tokens whose probability after each of these is wanted."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """All that one pass takes. Arrays are C-contiguous; the pass reads their memory."""

    read: Read
    states: States
    """[B, S, E], what the rows attend to."""

    mask: Floats
    """float32 [B, S], 1 for a state, 0 for padding."""

    cache: tuple[States, ...]
    """Keys and values of the past, a pair for each layer, [B, H, P, D] each."""


class Decoder:
    """An infer request of the text decoder; None for a model that generates nothing, which never comes to a pass.

    A pass reads N tokens of B rows; see `TextDecoder` for what comes of it.
    """

    def __init__(self, compiled: ov.CompiledModel | None, states: StateType) -> None:
        self._infer_request: Any = None if compiled is None else compiled.create_infer_request()
        self._states = states
        self._batch: Batch | None = None

    def infer(self, batch: Batch) -> None:
        """Makes a pass. A batch that comes again is read anew, from the same memory.

        Raises:
            RuntimeError: the device failed.
        """
        if batch is not self._batch:
            self._bind(batch)
        self._infer_request.infer()

    def _bind(self, batch: Batch) -> None:
        self._batch = None
        for name in ("ids", "positions", "seen", "targets"):
            self._infer_request.set_tensor(name, ov.Tensor(getattr(batch.read, name), shared_memory=True))
        self._infer_request.set_tensor("mask", ov.Tensor(batch.mask, shared_memory=True))
        self._infer_request.set_tensor("states", self._states.tensor(batch.states))
        for index, past in enumerate(batch.cache):
            self._infer_request.set_tensor(f"cache.{index}", self._states.tensor(past))
        self._batch = batch

    # What the last pass gave, valid until the next one.

    @property
    def tokens(self) -> Ids:
        """int64 [B, N], the likeliest tokens to follow."""
        tokens: Ids = self._output("token")
        return tokens

    @property
    def log_probabilities(self) -> Floats:
        """float32 [B, N], of these."""
        log_probabilities: Floats = self._output("log_probability")
        return log_probabilities

    @property
    def scores(self) -> Floats:
        """float32 [B, N, K], log-probabilities of the targets."""
        scores: Floats = self._output("scores")
        return scores

    def logits(self, rows: list[int]) -> Floats:
        """Returns a copy, float32 [rows, K]: of the targets after the first token of each of these rows."""
        normalisers: Floats = self._output("normaliser")[rows, :1]
        return self.scores[rows, 0] + normalisers

    @property
    def entries(self) -> States:
        """[B, 2L, H, N, D], keys and values of what was read."""
        entries: States = self._output("entry")
        return entries

    def _output(self, name: str) -> Any:
        return self._infer_request.get_tensor(name).data
