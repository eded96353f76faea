"""Images on their way in: fetched, decoded and given to an engine, a bounded number at a time."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from askpix.worker import cores
from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, ImageHandle
from askpix.worker.errors import ItemError
from askpix.worker.images.decode import decode
from askpix.worker.images.fetch import Fetcher, Manners

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class ImageFacts:
    """What the rows of an image say of it."""

    problem: ItemError | None = None
    """Why it could not be loaded."""

    sha256: str | None = None
    """Of its bytes, in hexadecimal; None where they were not had."""

    width: int | None = None
    height: int | None = None
    """As it is shown, in pixels; None where it was not decoded."""


@dataclass(slots=True)
class LoadedImage:
    """What became of an image reference. Who keeps it keeps the image's encoding."""

    facts: ImageFacts
    handle: ImageHandle | None = None
    """None where there is a problem."""


class Loader:
    """Loads images. Used from many threads, each with an image of its own.

    Decoding is bounded more tightly than fetching, since it takes a processor, and a decoded image can be large.

    Args:
        access: what may be read.
        manners: how it is fetched.
        fetched: is called when an image is fetched, before it is decoded.
    """

    def __init__(
        self,
        access: Access,
        manners: Manners | None = None,
        *,
        fetched: Callable[[], None] = lambda: None,
    ) -> None:
        self._fetcher = Fetcher(access, manners)
        self._decoding = threading.Semaphore(cores.available())
        self._fetched = fetched
        self._begun: dict[int, float] = {}
        """Since when each thread decodes, or fetches."""

    def close(self) -> None:
        self._fetcher.close()

    def load(self, reference: str, engine: Engine, *, own_bucket: str | None = None) -> LoadedImage:
        """Returns an image as the engine has it, or why it does not; raises nothing.

        Args:
            own_bucket: the bucket of the image's job, from which it may name objects.
        """
        facts = ImageFacts()
        try:
            with self._timed():
                data = self._fetcher.fetch(reference, own_bucket=own_bucket)
            self._fetched()
            facts.sha256 = digest(data)
            with self._decoding, self._timed():
                decoded = decode(data, engine.image_form)
            facts.width, facts.height = decoded.width, decoded.height
            return LoadedImage(facts, engine.open_image(decoded.pixels))
        except ItemError as error:
            facts.problem = error
        except MemoryError:
            facts.problem = ItemError("out_of_memory", "there was too little memory for this image", retryable=True)
        except BaseException as error:  # noqa: BLE001 - one image must never take its part down
            _log.exception("an image could not be loaded")
            facts.problem = internal_error(error)
        return LoadedImage(facts)

    def stuck(self) -> float:
        """Returns for how many seconds the image that takes longest has been fetched, or decoded, by now."""
        return time.monotonic() - min(list(self._begun.values()), default=time.monotonic())

    @contextmanager
    def _timed(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            yield
        finally:
            del self._begun[thread]


def digest(data: bytes) -> str:
    """Returns the SHA-256 of an image's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def internal_error(error: BaseException) -> ItemError:
    """Returns what a row says where askpix itself failed."""
    reason = f"{type(error).__name__}: {error}"
    return ItemError("internal_error", f"askpix failed on this item: {reason[:300]}", retryable=True)
