"""Images on their way in: fetched, decoded and given to an engine, a bounded number at a time."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from askpix.producer.settings import Settings
from askpix.worker import cores
from askpix.worker.access import Access
from askpix.worker.engine.base import Engine, ImageHandle
from askpix.worker.error_codes import Code
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.images.decode import Decoded
from askpix.worker.images.decoder import Decoder
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import UNCOUNTED_BYTES, FetchRules, Take
from askpix.worker.images.memory import MEGABYTES
from askpix.worker.item_errors import ItemError, internal_error
from askpix.worker.memory_room import Room
from askpix.worker.stopwatch import Stopwatch
from askpix.worker.tallies import Tallies

_log = logging.getLogger(__name__)

_FETCHED_BYTES = 48 << 20
"""Of images that are fetched and not yet decoded, all together, but for the small ones."""


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

    Decoding is bounded more tightly than fetching, since it takes a processor, and a decoded image can be large. What
    is fetched is bounded too: where many large images come at a time, their transfers wait for each other.

    Args:
        access: what may be read.
        rules: how it is fetched.
        decode_processes: in which images are decoded; with 0 they are decoded here.
        decode_megabytes: of memory that all images which are being decoded may take.
        tallies: are told how long it takes.
    """

    def __init__(
        self,
        access: Access,
        rules: FetchRules | None = None,
        *,
        decode_processes: int = 0,
        decode_megabytes: int = MEGABYTES,
        tallies: Tallies | None = None,
    ) -> None:
        self._tallies = tallies or Tallies()
        rules = rules or FetchRules()
        self._fetcher = Fetcher(access, rules)
        self._stopwatch = Stopwatch()
        """For which each thread fetches, or decodes."""
        self._decoder = Decoder(
            decode_processes, rules.item_seconds, stopwatch=self._stopwatch, megabytes=decode_megabytes
        )
        self._decoding = threading.Semaphore(decode_processes or cores.available())
        self._room = Room(_FETCHED_BYTES)

    @classmethod
    def of(cls, access: Access, settings: Settings, *, connections: int, tallies: Tallies | None = None) -> Self:
        """Returns one as settings want it.

        Args:
            connections: to a host that are kept.
        """
        processes = settings.decode_processes
        return cls(
            access,
            FetchRules.of(settings, connections=connections),
            decode_processes=cores.available() if processes is None else processes,
            decode_megabytes=settings.decode_megabytes,
            tallies=tallies,
        )

    def close(self) -> None:
        self._fetcher.close()
        self._decoder.close()

    def load(
        self,
        reference: str,
        engine: Engine,
        *,
        own_bucket: str | None = None,
        fetched: Callable[[], None] = lambda: None,
    ) -> LoadedImage:
        """Returns an image as the engine has it, or why it does not; raises nothing.

        Args:
            own_bucket: the bucket of the image's job, from which it may name objects.
            fetched: is called when the image is fetched, before it waits to be decoded.
        """
        facts = ImageFacts()
        with self.opening(reference, engine, facts, own_bucket=own_bucket, fetched=fetched) as opening:
            return LoadedImage(facts, None if opening is None else opening())

    @contextmanager
    def opening(
        self,
        reference: str,
        engine: Engine,
        facts: ImageFacts,
        *,
        own_bucket: str | None = None,
        fetched: Callable[[], None] = lambda: None,
    ) -> Iterator[Callable[[], ImageHandle | None] | None]:
        """Fetches an image; yields what gives it to an engine, or None where it could not be had, and `facts` says why.

        It is decoded when that is called: once, within the block, or not at all. Its bytes are held until then, or to
        the end of the block. What is yielded raises nothing; it returns None where the image is none, and `facts` says
        why.
        """
        with ExitStack() as held:
            data = None
            with noting(facts, reference), self._tallies.loading.one_more():
                take = held.enter_context(self._counting())
                data = self._fetched(reference, facts, take, own_bucket=own_bucket)
                fetched()
            if facts.problem is not None or data is None:
                yield None
                return
            files = [data]
            del data

            def opened() -> ImageHandle | None:
                try:
                    with noting(facts, reference):
                        with self._tallies.loading.one_more(), self._decoding:
                            pixels = self._shown(files[0], engine.image_form, facts)
                        # The engine may wait for memory: others are fetched and decoded meanwhile.
                        files.clear()
                        held.close()
                        return engine.open_image(pixels)
                finally:
                    files.clear()
                    held.close()
                return None

            try:
                yield opened
            finally:
                files.clear()

    def fetched_or_noted(self, reference: str, facts: ImageFacts) -> bytes | None:
        """Returns an image's bytes; None where they cannot be had, and `facts` says why. Raises nothing."""
        with noting(facts, reference), self._tallies.loading.one_more(), self._counting() as take:
            return self._fetched(reference, facts, take)
        return None

    def opened_or_noted(self, reference: str, data: bytes, engine: Engine, facts: ImageFacts) -> ImageHandle | None:
        """Returns one of several images, from its bytes; None where it is none, and `facts` says why. Raises nothing.

        So many are at full size at a time as are decoded at a time, unless the engine takes them so.
        """
        with noting(facts, reference), self._tallies.loading.one_more(), self._decoding:
            return self._prepared(data, engine, facts)
        return None

    def _prepared(self, data: bytes, engine: Engine, facts: ImageFacts) -> ImageHandle:
        return engine.prepare_image(self._shown(data, engine.image_form, facts))

    def _shown(self, data: bytes, form: ImageForm, facts: ImageFacts) -> Pixels:
        with self._stopwatch.running(), self._tallies.decode_seconds.timing():
            decoded = self._decoder.decode(data, form)
        facts.width, facts.height = decoded.width, decoded.height
        return decoded.pixels

    def stuck(self) -> float:
        """Returns for how many seconds the image that takes longest has been fetched, or decoded, by now."""
        return self._stopwatch.longest()

    def decoded(
        self,
        reference: str,
        form: ImageForm,
        facts: ImageFacts,
        *,
        own_bucket: str | None = None,
        fetched: Callable[[], None] = lambda: None,
    ) -> Decoded:
        """Returns an image in a form; see `load`.

        Args:
            facts: is given the digest of its bytes, before `fetched` is called.

        Raises:
            ItemError: it cannot be had, or `fetched` raised that.
        """
        with self._counting() as take:
            data = self._fetched(reference, facts, take, own_bucket=own_bucket)
            fetched()
            with self._decoding, self._stopwatch.running(), self._tallies.decode_seconds.timing():
                return self._decoder.decode(data, form)

    def _fetched(self, reference: str, facts: ImageFacts, take: Take, own_bucket: str | None = None) -> bytes:
        with self._stopwatch.running(), self._tallies.fetch_seconds.timing():
            data = self._fetcher.fetch(reference, own_bucket=own_bucket, take=take)
        facts.sha256 = digest(data)
        return data

    @contextmanager
    def _counting(self) -> Iterator[Take]:
        """Yields what takes room for fetched bytes, which is given back after the block."""
        held = 0

        def take(amount: int) -> None:
            nonlocal held
            if amount > UNCOUNTED_BYTES:
                # What is more than all of it, as a URI of escaped data can be, goes alone.
                amount = min(amount, self._room.total)
                with self._stopwatch.stopped():
                    self._room.take(amount)
                held += amount

        try:
            yield take
        finally:
            if held:
                self._room.give_back(held)


@contextmanager
def noting(facts: ImageFacts, reference: str) -> Iterator[None]:
    """Has facts say why the image was not loaded, whatever a block raises."""
    try:
        yield
    except ItemError as error:
        facts.problem = error
        _log.debug("%s: %s: %s", reference, error.code, error.message)
        # Which would hold the image until Python looks for what holds itself.
        error.__traceback__ = error.__context__ = None
    except MemoryError:
        facts.problem = ItemError(Code.OUT_OF_MEMORY, "there was too little memory for this image", retryable=True)
    except BaseException as error:  # noqa: BLE001 - one image must never take its part down
        _log.exception("an image could not be loaded")
        facts.problem = internal_error(error)


def digest(data: bytes) -> str:
    """Returns the SHA-256 of an image's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
