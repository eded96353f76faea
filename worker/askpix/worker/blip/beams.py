"""Beam search in rows of a decoder's lane, as transformers' `generate` does it with early_stopping False."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from askpix.worker.blip.choosing import Penalties
from askpix.worker.blip.sequences import Row
from askpix.worker.blip.work import Floats
from askpix.worker.item_errors import RequestError

_NEVER = np.float32(-1e9)
"""The score of what is no text yet. Scores are float32 all through, and so round as transformers' do."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text with the end token, or as long as may be."""

    tokens: list[int]
    log_probabilities: list[float]
    score: np.float32
    """Sum of its tokens' log-probabilities after penalties, over its length to the power of the length penalty."""


@dataclass(slots=True)
class _Beam:
    """A text that goes on."""

    score: np.float32
    """Sum of log-probabilities after penalties."""

    tokens: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)


class BeamSearch:
    """Looks for the likeliest text in `width` beams.

    Each step takes the 2 * `width` best continuations of all beams. Those of the best `width` that end are put by;
    the best that do not end go on. Each ends with the end token, or at its greatest length.
    """

    def __init__(
        self, width: int, *, prompt: Sequence[int], max_new_tokens: int, length_penalty: float, penalties: Penalties
    ) -> None:
        self.width = width
        self._prompt = prompt
        self._max_new_tokens = max_new_tokens
        self._length_penalty = length_penalty
        self._penalties = penalties
        # All beams begin alike: only the first one counts, or all would find the same.
        self._beams = [_Beam(np.float32(0) if place == 0 else _NEVER) for place in range(width)]
        self.found: list[Hypothesis] = []
        """The best that have ended, the best first; `width` at most."""
        self.over = False

    @property
    def last(self) -> list[int]:
        """The token that each beam took last."""
        return [beam.tokens[-1] for beam in self._beams]

    def advance(self, logits: Floats) -> list[int]:
        """Takes each beam one token on, given float32 [width, V]; returns which beam each goes on from."""
        own = _log_softmax(logits)
        if not np.isfinite(own.max(axis=1)).all():
            return self._give_up()
        places, tokens, scores = self._best(own)
        new = len(self._beams[0].tokens) + 1
        ended = (tokens == self._penalties.end) | (new >= self._max_new_tokens)
        candidates = [
            _Beam(
                score,
                [*self._beams[place].tokens, int(token)],
                [*self._beams[place].log_probabilities, float(own[place, token])],
            )
            for place, token, score in zip(places, tokens, scores, strict=True)
        ]
        self._put_by([one for one, end in zip(candidates[: self.width], ended, strict=False) if end], new)
        # Of those that have ended none goes on, as long as others are there.
        order = np.argsort(-(scores + ended * _NEVER), kind="stable")[: self.width]
        self._beams = [candidates[index] for index in order]
        self.over = bool(ended.all()) or not self._can_improve(new)
        return [int(places[index]) for index in order]

    def _best(self, own: Floats) -> tuple[np.ndarray, np.ndarray, Floats]:
        """Returns the best continuations: the beam and the token of each, and its score."""
        sums = own.copy()
        for beam, row in zip(self._beams, sums, strict=True):
            self._penalties.apply(row, self._prompt, beam.tokens)
            row += beam.score
        flat = sums.reshape(-1)
        count = min(2 * self.width, len(flat))
        best = np.argpartition(flat, -count)[-count:]
        best = best[np.lexsort((best, -flat[best]))]
        return best // own.shape[1], best % own.shape[1], flat[best]

    def _put_by(self, ended: list[_Beam], length: int) -> None:
        weight = np.float32(length**self._length_penalty)
        found = [Hypothesis(one.tokens, one.log_probabilities, one.score / weight) for one in ended]
        self.found = sorted((*self.found, *found), key=lambda one: -one.score)[: self.width]

    def _can_improve(self, length: int) -> bool:
        """Returns whether the best beam, were it to end here, would be among the best that have ended."""
        if len(self.found) < self.width:
            return True
        return bool(self._beams[0].score / np.float32(length**self._length_penalty) > self.found[-1].score)

    def _give_up(self) -> list[int]:
        """Ends with a text that says by its log-probability that the numbers are none."""
        self.found = [Hypothesis([self._penalties.end], [float("nan")], np.float32("nan"))]
        self.over = True
        for beam in self._beams:
            beam.tokens.append(self._penalties.end)
        return list(range(self.width))


class Beams:
    """The rows of a lane that a search runs in.

    Args:
        row: makes a row of the group that it is given.
        abandoned: says why nobody waits for the text any more.
    """

    def __init__(
        self,
        search: BeamSearch,
        row: Callable[[Beams], Row],
        abandoned: Callable[[], RequestError | None],
    ) -> None:
        self._search = search
        self._abandoned = abandoned
        self._looked_at = -1
        self._reason: RequestError | None = None
        self.rows = tuple(row(self) for _ in range(search.width))

    @property
    def over(self) -> bool:
        return self._search.over

    def advance(self, logits: Floats) -> list[int]:
        origins = self._search.advance(logits)
        for row, token in zip(self.rows, self._search.last, strict=True):
            row.last = token
        return origins

    def abandoned(self, position: int) -> RequestError | None:
        if position != self._looked_at:
            self._looked_at, self._reason = position, self._abandoned()
        return self._reason


def _log_softmax(logits: Floats) -> Floats:
    """Returns float32 of the same shape, over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    summed: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return summed
