"""How those who wait for a long piece of work follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Told = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""

_One = TypeVar("_One")


def nobody(what: str, done: int, total: int) -> None:
    """Is told in vain."""


def told_of(things: Iterable[_One], told: Told, what: str, total: int) -> Iterator[_One]:
    """Yields things, and tells how many there were."""
    for number, thing in enumerate(things):
        told(what, number, total)
        yield thing
