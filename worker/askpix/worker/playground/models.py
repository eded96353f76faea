"""The models that a person can choose from, and where their answers come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from askpix.producer.items import Turn
from askpix.worker.engine.base import Ability
from askpix.worker.playground.form import Asked
from askpix.worker.playground.stop import Stop
from askpix.worker.playground.told import Told


@dataclass(frozen=True, kw_only=True, slots=True)
class AtHand:
    """A model that can be chosen."""

    name: str
    """As it is shown; no two have the same."""

    abilities: frozenset[Ability] | None
    """None where they are not known."""

    @property
    def chats(self) -> bool:
        return self.abilities is not None and Ability.CHAT in self.abilities

    @property
    def sees_several(self) -> bool:
        """Whether it is shown several images in a conversation."""
        return self.chats and self.abilities is not None and Ability.IMAGES in self.abilities


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A model, and in which numbers it is to compute."""

    model: str
    precision: str


class Source(Protocol):
    """Where answers come from: engines of our own, or workers elsewhere."""

    precisions: tuple[str, ...]
    """To choose from; none where that is not ours to say."""

    def models(self) -> Sequence[AtHand]:
        """Returns the models that there are now.

        Raises:
            AskpixError: they cannot be had.
        """

    def tell(
        self, chosen: Chosen, images: Sequence[bytes], asked: Asked, history: Sequence[Turn], stop: Stop
    ) -> Iterator[Told]:
        """Yields the answer as it comes; whoever closes the iterator gives it up.

        Args:
            images: all that are shown, in order, of which each turn of the history shows as many as it names. One that
                none shows stands in front of the question, or of the first one where no turn shows any.

        Raises:
            AskpixError: there is none, for a reason that is not the image's or the question's.
            ItemError: there is none.
        """

    def close(self) -> None: ...
