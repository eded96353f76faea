"""What reads the images of a scheme."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from askpix.worker.access import Access
from askpix.worker.images.fetch_rules import FetchRules, Take


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """An image, as a reader is asked for it."""

    reference: str
    """A URI of the reader's scheme, in capitals or not; of `file`, paths too."""

    own_bucket: str | None = None
    """In which the job itself is, whose images it may read."""

    take: Take = lambda _: None
    """Is told how many bytes are about to be held."""


class Reader(ABC):
    """Reads images. Used from many threads.

    Args:
        access: what may be read; a reader asks it before it opens anything.
        rules: how that is done.
    """

    on_disk: ClassVar[bool] = False
    """Whether it reads this machine's disk: of which files there are, not everybody is told."""

    def __init__(self, access: Access, rules: FetchRules) -> None:
        self._access = access
        self._rules = rules

    @abstractmethod
    def read(self, wanted: Wanted) -> bytes:
        """Returns the bytes of an image, no more than `rules.check_bytes` lets pass.

        Raises:
            ImageError: they cannot or must not be had.
        """

    def close(self) -> None:  # noqa: B027 - few keep anything open
        """Lets go of what is kept open."""
