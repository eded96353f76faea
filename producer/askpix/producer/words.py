"""Words that depend on a number, and words of which a person has meant one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

from askpix.producer.shown import shown_value
from askpix.producer.storage import shortened

_LISTED = 8
"""Words that an error lists."""

_LOOKED_AT = 10_000
"""Words among which that is looked for which somebody has meant."""

_LONGEST = 200
"""Characters of what somebody wrote that count there."""


def counted(count: int, noun: str) -> str:
    """Returns a number of things: `1 part`, `2 parts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that somebody who wrote another has most likely meant, if any; of several that differ by
    capitals alone, the first."""
    spelled = {each.casefold(): each for each in reversed(list(islice(known, _LOOKED_AT)))}
    found = get_close_matches(word.casefold()[:_LONGEST], spelled, n=1)
    return spelled[found[0]] if found else None


class Meant:
    """Looks for what somebody has meant, for so many words: of a table that is wrong throughout, few lines are told.

    Args:
        times: for how many words.
    """

    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self, word: str, known: Iterable[str]) -> str | None:
        """Returns what `nearest` does; None once it was asked too often."""
        self._left -= 1
        return nearest(word, known) if self._left >= 0 else None


def listed(words: Sequence[str], *, quoted: bool = False) -> str:
    """Returns the first of some words, as an error lists them."""
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(map(shown_value if quoted else shortened, words[:_LISTED])) + more
