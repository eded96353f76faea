"""Asking by the answer cache: what was said of an image before, or is just being said, is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from askpix.producer.items import Item
from askpix.worker.answer_cache.flights import Flight
from askpix.worker.answer_cache.looking_up import LookingUp, Unloaded, Unopened
from askpix.worker.answer_cache.sharing import Alike, Sharing
from askpix.worker.engine.base import ImageHandle
from askpix.worker.image_load import ImageLoad
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import ItemError
from askpix.worker.items_in_work import ItemsInWork
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.part_work import PartWork
from askpix.worker.taken_over import fails_alike

Opening = Callable[[], ImageHandle | None]
"""Gives an image to an engine; see `Loader.opening`."""


class CachedAsking:
    """Asks what is not known of images, for the items of a part; on load threads.

    Args:
        items: of the part, by their places in it.
        in_work: the same items, where they are asked.
        load: loads an image, and has it asked about.
        goes_again: returns whether an image that has a problem, or none, will be loaded once more.
    """

    def __init__(
        self,
        work: PartWork,
        items: Mapping[int, Item],
        in_work: ItemsInWork,
        sharing: Sharing,
        *,
        load: Callable[[ImageLoad], None],
        goes_again: Callable[[ImageLoad, ItemError | None], bool],
    ) -> None:
        self._engine = work.engine
        self._items = items
        self._in_work = in_work
        self._cache = sharing.cache
        self._flights = sharing.flights
        self._load = load
        self._goes_again = goes_again
        self._alike = Alike(work.spec.questions, work.spec.options)
        self._first: dict[bytes, ItemWork] = {}
        """Items for which others waited that ask the same, by the key of their flight."""

    def ask(self, load: ImageLoad, opening: Opening, facts: ImageFacts) -> None:
        """Asks what is not known of an image. What is asked of it just now, here or for other parts, is waited for.

        Args:
            opening: gives it to the engine, where that is needed.
            facts: of the image, the digest of its bytes among them.
        """
        with ExitStack() as flying:
            mine = self._boarded(load, facts.sha256, flying)
            if not mine:
                load.threads.judge(load.host, None)
                return
            recalled, image = self._cache.recall(self._engine.info, facts.sha256), Unopened(opening, facts)
            if recalled.size is None:
                image.open()
            if self._goes_again(load.of([*mine]), facts.problem):
                return
            failed = None if facts.problem is None else LoadedImage(facts)
            for place, flight in mine.items():
                asked = LookingUp(self._engine, self._cache, facts, recalled)
                self._ask(load, place, failed or asked.loaded(image), asked, flight)

    def _boarded(self, load: ImageLoad, sha256: str | None, flying: ExitStack) -> dict[int, Flight | None]:
        """Returns the places of those that nobody else asks for, with their flights, which end with `flying`."""
        if load.alone:
            return dict.fromkeys(load.places)
        groups = self._alike.grouped(self._engine.info, sha256, self._items, load.places)
        keys = {place: key for key, places in groups.items() for place in places}

        def again(places: Sequence[int]) -> Callable[[], None]:
            return partial(self._ask_again, load.of(places), sha256, keys[places[0]])

        return self._flights.board_all(groups, again, flying)

    def _ask_again(self, load: ImageLoad, sha256: str | None, key: bytes) -> None:
        """Takes what was just asked of an image by others, without having it here again."""
        if self._in_work.is_closed():
            return
        with self._in_work.minding(load.places):
            first = self._first.get(key)
            if first is not None and fails_alike(first):
                self._in_work.take_over(load.places, first)
                return
            facts = ImageFacts(sha256=sha256)
            recalled = self._cache.recall(self._engine.info, sha256)
            if recalled.size is None:
                self._load_alone(load)
                return
            short: list[int] = []
            for place in load.places:
                asked = LookingUp(self._engine, self._cache, facts, recalled)
                # All is answered in here, or cannot be.
                self._ask(load, place, asked.loaded(Unloaded()), asked, None)
                if asked.short:
                    short.append(place)
            if short:
                # With all of the same image that lack an answer too.
                self._load_alone(load.of(short))

    def _load_alone(self, load: ImageLoad) -> None:
        load.threads.put(partial(self._load, replace(load, alone=True)), load.host)

    def _ask(self, load: ImageLoad, place: int, loaded: LoadedImage, asked: LookingUp, flight: Flight | None) -> None:
        if flight is not None:
            flight.enter()
        begun = False
        try:
            ended = partial(self._end, place, asked, flight)
            begun = self._in_work.ask(place, loaded, asked, started=load.started, ended=ended)
        finally:
            if flight is not None and not begun:
                flight.leave()

    def _end(self, place: int, asked: LookingUp, flight: Flight | None, item: ItemWork) -> None:
        # On the engine's thread.
        if asked.short:
            self._in_work.drop(place)
        else:
            self._in_work.end(place, item)
        if flight is not None:
            # Before those are called who wait for it.
            self._first[flight.key] = item
            flight.leave()
