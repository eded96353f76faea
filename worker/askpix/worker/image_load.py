"""An image that a part's items wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from askpix.worker.load_threads import LoadThreads


@dataclass(kw_only=True, slots=True)
class ImageLoad:
    """An image on its way in, for some items of a part."""

    image: str
    places: Sequence[int]
    """Of the items that ask of it."""

    threads: LoadThreads
    host: str | None
    """Where it comes from."""

    tries: int = 1
    started: float = 0.0
    """When it was first taken, as `time.monotonic()` counts; 0 where it was not."""

    alone: bool = False
    """Whether it waits for nobody who asks the same: that was in vain."""

    def of(self, places: Sequence[int]) -> ImageLoad:
        """Returns the same for some of the items."""
        return self if places == self.places else replace(self, places=places)
