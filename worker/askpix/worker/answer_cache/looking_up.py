"""An engine that is asked about one image: what it has said before is looked up first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from askpix.worker.answer_cache.cache import AnswerCache, Recalled
from askpix.worker.answer_cache.keys import ask_key
from askpix.worker.engine.base import Engine, EngineInfo, ImageHandle, Request
from askpix.worker.engine.ticket import Ticket
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import EngineStoppedError, ItemError
from askpix.worker.loading import ImageFacts, LoadedImage


class Unopened(ImageHandle):
    """An image that the engine is given when an answer is missing, which may be never.

    Answers that are known are there at once. So the first that is not is asked for where the image was loaded, and what
    comes after that, on whichever thread, finds it opened.

    Args:
        open_: gives it to the engine, or returns None where that cannot be. It is called once.
        facts: say why, then.
    """

    def __init__(self, open_: Callable[[], ImageHandle | None], facts: ImageFacts) -> None:
        self._open: Callable[[], ImageHandle | None] | None = open_
        self._facts = facts
        self._opened: ImageHandle | None

    def open(self) -> ImageHandle | None:
        """Returns the image as the engine has it; None where it cannot be opened."""
        if self._open is not None:
            open_, self._open = self._open, None
            self._opened = open_()
        return self._opened

    def handle(self) -> ImageHandle:
        """Returns the image as the engine has it.

        Raises:
            ItemError: it cannot be opened; the same each time.
        """
        opened = self.open()
        if opened is None:
            assert self._facts.problem is not None
            raise self._facts.problem
        return opened


class Unloaded(ImageHandle):
    """Stands for an image that is not here, of which others were just told all."""


class LookingUp:
    """Asks about one image. It goes where an engine would.

    Args:
        image: what is known of the image itself, as of whoever else asks of it.
        recalled: what is known of its answers.
    """

    __slots__ = ("_cache", "_engine", "_facts", "_image", "_recalled", "short")

    def __init__(self, engine: Engine, cache: AnswerCache, image: ImageFacts, recalled: Recalled) -> None:
        self._engine = engine
        self._cache = cache
        self._image = image
        # Of its own: an image that cannot be opened is no matter to those who need not have it opened.
        self._facts = replace(image, problem=None)
        self._recalled = recalled
        if recalled.size is not None:
            self._facts.width, self._facts.height = recalled.size
        self.short = False
        """Whether an answer was missing, and the image was not here."""

    def loaded(self, handle: ImageHandle) -> LoadedImage:
        """Returns an image that is to be asked about here."""
        return LoadedImage(self._facts, handle)

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def submit(self, request: Request) -> Ticket:
        """Returns a ticket that has its answer already, where that is known; or else the engine's own.

        Raises:
            ItemError: the image cannot be opened.
            RequestError, EngineStoppedError: as the engine's.
        """
        ask = ask_key(request)
        if (answer := self._recalled.answer(ask, request)) is not None:
            ticket = Ticket()
            ticket.resolve(answer)
            return ticket
        (image,) = request.images
        if isinstance(image, Unloaded):
            self.short = True
            # Which no row has: the image is loaded, and asked about again.
            raise ItemError(Code.INTERNAL_ERROR, "the image was not loaded, and an answer is missing", retryable=True)
        if isinstance(image, Unopened):
            image = image.handle()
            self._facts.width, self._facts.height = self._image.width, self._image.height
        ticket = self._engine.submit(replace(request, images=(image,)))
        ticket.looked_up = True
        ticket.add_done_callback(partial(self._keep, ask, ticket))
        return ticket

    def _keep(self, ask: bytes, ticket: Ticket) -> None:
        facts = self._facts
        try:
            answer = ticket.result()
        except (ItemError, EngineStoppedError):
            return
        if facts.sha256 is not None and facts.width is not None and facts.height is not None:
            self._cache.keep(self.info, facts.sha256, (facts.width, facts.height), ask, answer)
