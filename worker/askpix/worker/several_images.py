"""The images of an ask that shows several: fetched at the same time, each once however often it is shown.

Who waits for a slow server has no place, so that it keeps nobody from theirs: a place is for decoding alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from askpix.worker.engine.base import Engine, ImageHandle
from askpix.worker.error_codes import Code
from askpix.worker.images.fetch_rules import UNCOUNTED_BYTES
from askpix.worker.item_errors import ItemError
from askpix.worker.loading import ImageFacts, LoadedImage, Loader, noting
from askpix.worker.logs.about import carried
from askpix.worker.memory_room import Room

_ASKS = 4
"""Whose several images are decoded at a time: each has them in memory until all are."""

_FETCHED_BYTES = 512 << 20
"""Of images whose ask waits for others of it, or for a place, but for the small ones."""


class SeveralImages:
    """Loads images for one request; used from many threads.

    Args:
        loader: loads each, by the rules that hold for any.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._places = threading.Semaphore(_ASKS)
        self._room = Room(_FETCHED_BYTES)

    def load(self, references: Sequence[str], engine: Engine, deadline: float) -> list[LoadedImage]:
        """Returns each image as the engine has it, or why it does not; raises nothing.

        Args:
            deadline: as `time.monotonic()` counts; until then it waits for others' images.
        """
        loaded = {reference: LoadedImage(ImageFacts()) for reference in references}
        first = references[0]
        with noting(loaded[first].facts, first), ThreadPoolExecutor(len(loaded), "askpix-images") as threads:
            self._load(loaded, engine, deadline, threads)
        return [loaded[reference] for reference in references]

    def _load(
        self, loaded: Mapping[str, LoadedImage], engine: Engine, deadline: float, threads: ThreadPoolExecutor
    ) -> None:
        """Gives all images their handles, or some of them their problems.

        Raises:
            ItemError: there was no time left for others' images.
        """
        held: list[int] = []

        def fetched(reference: str) -> bytes | None:
            facts = loaded[reference].facts
            data = self._loader.fetched_or_noted(reference, facts)
            if data is not None and len(data) > UNCOUNTED_BYTES:
                # Nobody waits for it: who waited with some in hand could wait for another who does.
                if not self._room.take(len(data), until=0):
                    facts.problem = ItemError(
                        Code.OUT_OF_MEMORY, "others' images have the memory for it", retryable=True
                    )
                    return None
                held.append(len(data))
            return data

        def opened(reference: str, data: bytes) -> ImageHandle | None:
            return self._loader.opened_or_noted(reference, data, engine, loaded[reference].facts)

        try:
            files = [data for data in threads.map(carried(fetched), loaded) if data is not None]
            if len(files) < len(loaded):
                return
            if not self._places.acquire(timeout=max(deadline - time.monotonic(), 0)):
                raise _late()
            try:
                handles = [one for one in threads.map(carried(opened), loaded, files) if one is not None]
                if len(handles) < len(loaded):
                    return
                if not engine.keep_images(handles, deadline):
                    raise _late()
                for one, handle in zip(loaded.values(), handles, strict=True):
                    one.handle = handle
            finally:
                self._places.release()
        finally:
            self._room.give_back(sum(held))


def _late() -> ItemError:
    return ItemError(Code.DEADLINE, "the images of others took too long to load", retryable=True)
