"""The images of an ask that shows several: loaded at the same time, each once however often it is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from askpix.worker.engine.base import Engine
from askpix.worker.errors import ItemError
from askpix.worker.images.decode import Decoded
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import carried

_ASKS = 4
"""Whose several images are loaded at a time: each has decoded ones in memory until all are."""


class SeveralImages:
    """Loads images for one request; used from many threads.

    Args:
        loader: loads each, by the rules that hold for any.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._places = threading.Semaphore(_ASKS)

    def load(self, references: Sequence[str], engine: Engine, deadline: float) -> list[LoadedImage]:
        """Returns each image as the engine has it, or why it does not; raises nothing.

        Args:
            deadline: as `time.monotonic()` counts; until then it waits for others' images.
        """
        if not self._places.acquire(timeout=max(deadline - time.monotonic(), 0)):
            problem = ItemError("deadline", "the images of others took too long to load", retryable=True)
            return [LoadedImage(ImageFacts(problem=problem)) for _ in references]
        try:
            loaded = self._loaded(list(dict.fromkeys(references)), engine)
        finally:
            self._places.release()
        return [loaded[reference] for reference in references]

    def _loaded(self, references: Sequence[str], engine: Engine) -> Mapping[str, LoadedImage]:
        facts = {reference: ImageFacts() for reference in references}

        def decoded(reference: str) -> Decoded | None:
            return self._loader.decoded_or_noted(reference, engine.image_form, facts[reference])

        with ThreadPoolExecutor(len(references), "askpix-images") as threads:
            there = dict(zip(references, threads.map(carried(decoded), references), strict=True))
        loaded = {reference: LoadedImage(fact) for reference, fact in facts.items()}
        pictures = {reference: picture.pixels for reference, picture in there.items() if picture is not None}
        del there
        if len(pictures) < len(references):
            return loaded
        for reference, handle in zip(pictures, engine.open_images(list(pictures.values())), strict=True):
            if isinstance(handle, ItemError):
                facts[reference].problem = handle
            else:
                loaded[reference].handle = handle
        return loaded
