"""The items of a part on their way to rows: each image is loaded once, whatever is asked of it by how many items."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.worker.answer_cache.flights import Flight
from askpix.worker.answer_cache.looking_up import LookingUp, Unloaded, Unopened
from askpix.worker.answer_cache.sharing import Alike, Sharing
from askpix.worker.asker import Asking
from askpix.worker.engine.base import Askable
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.image_load import ImageLoad
from askpix.worker.images.again import pause_before_next
from askpix.worker.images.fetch import host_of
from askpix.worker.item import ItemWork
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import about, about_items, subject
from askpix.worker.part_work import PartWork
from askpix.worker.taken_over import TakenOver, fails_alike


class PartItems:
    """The items of a part that are to be answered.

    Load threads fetch, decode and submit, one image at a time with all its items; the engine's thread tells when an
    item has its answers; and the part's own thread, which waits, makes the rows. So no thread waits for an answer,
    and what is under way is bounded by the load threads and by the engine, not by the part.

    Args:
        items: by their places in the part.
        attempts: of each item, by its place.
        item_seconds: that an image may be fetched for, all tries together, and that the engine may work on a
            question; without it, there is one try.
        sharing: where answers are looked up, and kept; without it, they are not.
    """

    def __init__(
        self,
        work: PartWork,
        items: Mapping[int, Item],
        attempts: Mapping[int, int],
        loader: Loader,
        item_seconds: float | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self._work = work
        self._items = items
        self._attempts = attempts
        self._loader = loader
        self._item_seconds = item_seconds
        self._sharing = sharing
        self._alike = Alike(work.spec.questions, work.spec.options)
        self._how = Asking(options=work.spec.options, fill=True, seconds=item_seconds)
        self._own_bucket = work.own_bucket
        self._under_way: dict[int, ItemWork | TakenOver] = {}
        """By their places; from before their image is asked about until they have their rows."""
        self._ended: deque[tuple[int, ItemWork | TakenOver]] = deque()
        """Items whose answers are there, and that have no row yet."""
        self._first: dict[bytes, ItemWork] = {}
        """Items for which others waited that ask the same, by the key of their flight."""
        self._numbers = itertools.count(1)
        """Of items that end: `next` is atomic, and so quicker than a lock."""
        self._wake = threading.Event()
        """Set when there is no more to wait for."""
        self._no_more = False
        """No more images are given to the engine."""
        """Nor are those answered that it was given."""
        self._problem: BaseException | None = None
        self._about = subject()
        self._rows: dict[int, Row] = {}
        if not items:
            self._wake.set()

    harmless = False
    """Whether the worker cannot die, or hang, of the items."""

    def begin(self, threads: LoadThreads) -> None:
        """Gives load threads what they are to do: a function for each image, in the order of the items."""
        places: dict[str, list[int]] = {}
        for place, item in self._items.items():
            places.setdefault(item.image, []).append(place)
        for image, sharing in places.items():
            load = ImageLoad(image=image, places=sharing, threads=threads, host=host_of(image))
            threads.put(partial(self._load, load), load.host)

    def wait(self, timeout: float) -> bool:
        """Waits for all rows, up to `timeout` seconds; returns whether they are there.

        Raises:
            EngineStoppedError: the engine has ended.
        """
        complete = self._wake.wait(timeout)
        self._make_rows()
        if self._problem is not None:
            raise self._problem
        return complete

    def rows(self) -> dict[int, Row]:
        """Returns the rows that were complete when it was last waited or given up, by their places, the newest last."""
        return self._rows

    def drained(self) -> bool:
        """Has no more images given to the engine; returns whether it has done what it was given."""
        self._no_more = True
        return not self._under_way

    def give_up(self) -> None:
        """Has no more images loaded, and the engine stop working on what it has; rows that are complete stay."""
        self._make_rows()
        self._no_more = True
        for item in list(self._under_way.values()):
            item.cancel()

    def _make_rows(self) -> None:
        # Here rather than on the engine's thread, for which the device would have to wait.
        while self._ended:
            place, item = self._ended.popleft()
            del self._under_way[place]
            try:
                self._rows[place] = item.row()
            except EngineStoppedError as error:
                # Those that had their answers before it did are kept.
                self._problem = error

    # On load threads. ---------------------------------------------------------------------------

    def _load(self, load: ImageLoad) -> None:
        if self._no_more:
            return
        if not load.started:
            load.started = time.monotonic()
        with self._minding(load.places):
            if refusal := load.threads.refusal(load.host):
                self._ask(load, LoadedImage(ImageFacts(problem=refusal)))
            elif self._sharing is None:
                fetched = partial(load.threads.answered, load.host)
                loaded = self._loader.load(load.image, self._work.engine, own_bucket=self._own_bucket, fetched=fetched)
                if not self._goes_again(load, loaded.facts.problem):
                    self._ask(load, loaded)
            else:
                self._look_up(load, self._sharing)

    @contextmanager
    def _minding(self, places: Sequence[int]) -> Iterator[None]:
        """Has the part's thread raise what a block raises, whose lines are about these items."""
        with about(**{**self._about, **about_items([self._items[place].id for place in places])}):
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - the part's thread raises it
                self._problem = error
                self._wake.set()

    def _look_up(self, load: ImageLoad, sharing: Sharing) -> None:
        """Asks what is not known of an image. What is asked of it just now, here or for other parts, is waited for."""
        facts, info, fetched = ImageFacts(), self._work.engine.info, partial(load.threads.answered, load.host)
        with (
            self._loader.opening(
                load.image, self._work.engine, facts, own_bucket=self._own_bucket, fetched=fetched
            ) as opening,
            ExitStack() as flying,
        ):
            if opening is None:
                if not self._goes_again(load, facts.problem):
                    self._ask(load, LoadedImage(facts))
                return
            mine: dict[int, Flight | None] = dict.fromkeys(load.places)
            if not load.alone:
                groups = self._alike.grouped(info, facts.sha256, self._items, load.places)
                again = partial(self._look_again, load, facts.sha256)
                keys = {place: key for key, places in groups.items() for place in places}
                mine = sharing.flights.board_all(groups, lambda places: partial(again, keys[places[0]], places), flying)
            if not mine:
                load.threads.judge(load.host, None)
                return
            recalled, image = sharing.cache.recall(info, facts.sha256), Unopened(opening, facts)
            if recalled.size is None:
                image.open()
            if self._goes_again(load.of([*mine]), facts.problem):
                return
            failed = None if facts.problem is None else LoadedImage(facts)
            for place, flight in mine.items():
                asked = LookingUp(self._work.engine, sharing.cache, facts, recalled)
                self._ask_one(load, place, failed or asked.loaded(image), asked, flight)

    def _look_again(self, load: ImageLoad, sha256: str | None, key: bytes, places: Sequence[int]) -> None:
        """Takes what was just asked of an image by others, without having it here again."""
        if self._no_more:
            return
        assert self._sharing is not None
        load = load.of(places)
        with self._minding(load.places):
            first = self._first.get(key)
            if first is not None and fails_alike(first):
                self._take_over(load, first)
                return
            facts = ImageFacts(sha256=sha256)
            recalled = self._sharing.cache.recall(self._work.engine.info, sha256)
            if recalled.size is None:
                self._load_alone(load)
                return
            short: list[int] = []
            for place in load.places:
                asked = LookingUp(self._work.engine, self._sharing.cache, facts, recalled)
                # All is answered in here, or cannot be.
                self._ask_one(load, place, asked.loaded(Unloaded()), asked, None)
                if asked.short:
                    short.append(place)
            if short:
                self._load_alone(load.of(short))

    def _take_over(self, load: ImageLoad, first: ItemWork) -> None:
        """Has items fail as the first of them did, without asking the same again."""
        for place in load.places:
            item = TakenOver(self._items[place], first, attempts=self._attempts[place])
            self._under_way[place] = item
            if self._no_more:
                del self._under_way[place]
                return
            self._ends(place, item)

    def _load_alone(self, load: ImageLoad) -> None:
        load.threads.put(partial(self._load, replace(load, alone=True)), load.host)

    def _ask(self, load: ImageLoad, loaded: LoadedImage) -> None:
        for place in load.places:
            self._ask_one(load, place, loaded, self._work.engine, None)

    def _ask_one(self, load: ImageLoad, place: int, loaded: LoadedImage, asked: Askable, flight: Flight | None) -> None:
        work = self._work
        item = ItemWork(
            self._items[place],
            asked,
            started=load.started,
            attempts=self._attempts[place],
            ended=partial(self._end, place, asked, flight),
        )
        self._under_way[place] = item
        # Looked at after that, so that who sets it finds the item or is found here.
        if self._no_more:
            del self._under_way[place]
            return
        if flight is not None:
            flight.enter()
        try:
            item.ask(loaded, work.spec.questions, self._how)
        except BaseException:
            if flight is not None:
                flight.leave()
            raise

    def _goes_again(self, load: ImageLoad, problem: ItemError | None) -> bool:
        """Says how its host did with an image; returns whether it will be loaded once more."""
        load.threads.judge(load.host, problem)
        pause = self._pause(load, problem)
        if pause is None:
            return False
        load.threads.put_later(pause, partial(self._load, replace(load, tries=load.tries + 1)), load.host)
        return True

    def _pause(self, load: ImageLoad, problem: ItemError | None) -> float | None:
        """Returns in how many seconds to try again, None for never; what else the host has, waits with it."""
        if problem is None or self._item_seconds is None:
            return None
        pause = pause_before_next(problem, load.tries, time.monotonic() - load.started, self._item_seconds)
        if load.host is not None and problem.after:
            if pause is not None:
                load.threads.hold(load.host, pause)
            elif problem.after > self._item_seconds:
                load.threads.refuse(load.host, problem.after, problem)
        return pause

    # On the engine's thread. --------------------------------------------------------------------

    def _end(self, place: int, asked: Askable, flight: Flight | None, item: ItemWork) -> None:
        if isinstance(asked, LookingUp) and asked.short:
            # It is loaded with those of the same image that lack an answer too.
            del self._under_way[place]
        else:
            self._ends(place, item)
        if flight is not None:
            # Before those are called who wait for it.
            self._first[flight.key] = item
            flight.leave()

    def _ends(self, place: int, item: ItemWork | TakenOver) -> None:
        self._ended.append((place, item))
        if next(self._numbers) == len(self._items):
            self._wake.set()
