"""Which token comes next, where that is not simply the likeliest: penalties, and drawing by probability.

What each setting does is what transformers' `generate` does for it, in the same order: repetition, n-grams, the
shortest length; for drawing, then temperature, top_k and top_p.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askpix.producer.generation import Generation
from askpix.worker.blip.sequences import Row
from askpix.worker.blip.work import Floats

_TOP_K = 50
"""Of transformers, where none is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Penalties:
    """What makes tokens less likely, or impossible, by what is there already."""

    start: int
    end: int
    repetition: float = 1.0
    ngram: int = 0
    """The length of sequences that may not come twice; 0 for none."""

    least: int = 0
    """New tokens before which the text may not end."""

    @classmethod
    def of(cls, settings: Generation, *, start: int, end: int) -> Penalties:
        return cls(
            start=start,
            end=end,
            repetition=settings.repetition_penalty or 1.0,
            ngram=settings.no_repeat_ngram_size or 0,
            least=settings.min_new_tokens or 0,
        )

    def apply(self, scores: Floats, prompt: Sequence[int], tokens: Sequence[int]) -> None:
        """Changes the scores, float32 [V], of the tokens that may follow a prompt and new tokens."""
        before = [self.start, *prompt, *tokens]
        if self.repetition != 1:
            there = list(set(before))
            own = scores[there]
            scores[there] = np.where(own < 0, own * self.repetition, own / self.repetition)
        if self.ngram:
            scores[_completions(before, self.ngram)] = -np.inf
        if len(tokens) < self.least:
            scores[self.end] = -np.inf


def _completions(before: list[int], size: int) -> list[int]:
    """Returns the tokens that would complete a sequence of `size` tokens which is there already."""
    begun = before[len(before) + 1 - size :]
    windows = (before[place : place + size] for place in range(len(before) - size + 1))
    return [window[-1] for window in windows if window[:-1] == begun]


class Likeliest:
    """Takes the likeliest token after penalties."""

    def __init__(self, penalties: Penalties) -> None:
        self._penalties = penalties

    def choose(self, row: Row, logits: Floats) -> tuple[int, float]:
        scores = logits.copy()
        self._penalties.apply(scores, row.prompt, row.tokens)
        token = int(scores.argmax())
        return token, log_probability(logits, token)


class Drawn:
    """Draws tokens by their probabilities.

    Args:
        penalties: come first.
        settings: with temperature, top_k and top_p.
        seed: bytes that all that is drawn follows from.
    """

    def __init__(self, penalties: Penalties, settings: Generation, seed: bytes) -> None:
        self._penalties = penalties
        self._temperature = settings.temperature or 1.0
        self._top_k = _TOP_K if settings.top_k is None else settings.top_k
        self._top_p = settings.top_p or 1.0
        number = int.from_bytes(hashlib.blake2b(seed, digest_size=16).digest())
        self._random = np.random.Generator(np.random.PCG64(number))

    def choose(self, row: Row, logits: Floats) -> tuple[int, float]:
        scores = logits.copy()
        self._penalties.apply(scores, row.prompt, row.tokens)
        tokens, probabilities = self._open(scores)
        heights = probabilities.cumsum()
        place = int(heights.searchsorted(self._random.random() * heights[-1], side="right"))
        token = int(tokens[min(place, len(tokens) - 1)])
        return token, log_probability(logits, token)

    def _open(self, scores: Floats) -> tuple[np.ndarray, np.ndarray]:
        """Returns the tokens that may be drawn, in the order of their ids, and how likely each is."""
        if self._temperature != 1:
            scores = scores / np.float32(self._temperature)
        tokens = np.arange(len(scores))
        if 0 < self._top_k < len(scores):
            # All that equal the last of them stay too.
            tokens = np.flatnonzero(scores >= np.partition(scores, -self._top_k)[-self._top_k])
        own = scores[tokens].astype(np.float64)
        probabilities = np.exp(own - own.max())
        if self._top_p < 1:
            order = np.argsort(own, kind="stable")
            up_to = probabilities[order].cumsum() / probabilities.sum()
            kept = np.sort(order[np.flatnonzero((up_to > 1 - self._top_p) | (np.arange(len(order)) == len(order) - 1))])
            tokens, probabilities = tokens[kept], probabilities[kept]
        return tokens, probabilities


def log_probability(logits: Floats, token: int) -> float:
    """Returns the natural logarithm of a token's probability, given float32 [V]."""
    greatest = logits.max()
    return float(logits[token] - greatest - np.log(np.exp(logits - greatest).sum()))
