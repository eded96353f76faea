"""Where answers are kept: what every such place can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_FIELDS = 4_096
"""Values that are kept of one image: beyond, it begins anew, so that what is asked with another text each day does not
grow for ever."""


class StoreError(Exception):
    """The store cannot be used, in words for a person."""


Fields = Mapping[bytes, bytes]
"""Values of an image: what was asked, and what was answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What is to be kept of an image. Without fields, it is only in use."""

    model: str
    image: bytes
    """The image's key."""

    fields: Fields
    anew: bool = False
    """Whether what was kept of it before is forgotten."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a store holds."""

    place: str
    """Without a password."""

    images: int
    answers: int | None
    """None where counting them would take long."""

    bytes: int
    limit: int | None
    """In bytes; None for none."""

    by_model: Mapping[str, int]
    """Images, by the name of the model."""

    oldest: float | None = None
    """When what is forgotten first was last used, in seconds since 1970; None where that is not known."""

    warning: str | None = None


class Store(ABC):
    """A place where answers are kept. Every method may be called from any thread, and raises StoreError."""

    @abstractmethod
    def read(self, model: str, image: bytes) -> tuple[Fields, bool]:
        """Returns what is kept of an image, by one look; and whether it should be said that it is in use."""

    @abstractmethod
    def write(self, changes: Sequence[Change]) -> None:
        """Keeps what is new, and forgets what was not used for longest where there is no more room."""

    @abstractmethod
    def contents(self) -> Contents:
        """Returns what there is."""

    @abstractmethod
    def purge(self, model: str | None) -> int:
        """Forgets all, or what a model has said; returns of how many images."""

    @abstractmethod
    def close(self) -> None: ...
