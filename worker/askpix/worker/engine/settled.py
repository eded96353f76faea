"""What is certain of a text that is being generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_DELAY = 3
"""Tokens by which what is certain stays behind: some tokenizers take a space away again, before a full stop or an n't,
when they see what comes after it."""

_NO_CHARACTER = "\ufffd"
"""What bytes become that are no character, or not yet a whole one."""


class Settled:
    """Tells what a text will begin with, by its tokens so far.

    Args:
        decode: returns the text of tokens; used from any thread.
        begun: what stands before them.
        stops: texts before which the text ends.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], begun: str, stops: Sequence[str]) -> None:
        self._decode = decode
        self._begun = begun
        self._stops = stops

    def __call__(self, ids: Sequence[int]) -> str:
        if len(ids) <= _DELAY:
            return self._begun.strip()
        text = _common(self._decode(ids[:-_DELAY]), self._decode(ids)).rstrip(_NO_CHARACTER)
        text = before_stops(text, self._stops)
        # As the whole is stripped.
        return (self._begun + text[: _may_stop(text, self._stops)]).strip()


def before_stops(text: str, stops: Sequence[str]) -> str:
    """Returns a text up to where it is to end."""
    for stop in stops:
        text = text.partition(stop)[0]
    return text


def _common(text: str, other: str) -> str:
    """Returns what both texts begin with."""
    if other.startswith(text):
        return text
    return text[: next(at for at, letter in enumerate(text) if other[at : at + 1] != letter)]


def _may_stop(text: str, stops: Sequence[str]) -> int:
    """Returns from where on a text may be the beginning of one at which it stops; its length where it is not."""
    longest = max(map(len, stops), default=0)
    for at in range(max(len(text) - longest, 0), len(text)):
        if any(stop.startswith(text[at:]) for stop in stops):
            return at
    return len(text)
