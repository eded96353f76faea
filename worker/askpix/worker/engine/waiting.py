"""A queue of two classes, for every place where requests wait."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting(Generic[T]):
    """Urgent entries come out before all others; within its class, the first in is the first out.

    The others wait for as long as urgent entries keep coming. They are not starved for ever, because
    whoever submits urgent requests bounds them: a worker has 32 asks under way, no more.
    """

    def __init__(self) -> None:
        self._urgent: deque[T] = deque()
        self._others: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    @property
    def urgent(self) -> int:
        """How many urgent ones wait."""
        return len(self._urgent)

    def put(self, entry: T, *, urgent: bool) -> None:
        (self._urgent if urgent else self._others).append(entry)

    def move_up(self, entry: T) -> None:
        """Makes an entry urgent that waits as another; one that is urgent already, or does not wait, stays."""
        if entry in self._others:
            self._others.remove(entry)
            self._urgent.append(entry)

    @property
    def front(self) -> deque[T]:
        """The entries of the class that comes next, to be taken from."""
        return self._urgent or self._others

    def take(self) -> T:
        """Returns the next entry; raises IndexError where none waits."""
        return self.front.popleft()
