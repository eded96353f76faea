"""The items of a part on their way to rows: each image is loaded once, whatever is asked of it by how many items."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.images.again import pause_before_next
from askpix.worker.images.fetch import host_of
from askpix.worker.item import ItemWork
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.logs.about import about, about_items, subject
from askpix.worker.part_work import PartWork


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
    """

    def __init__(
        self,
        work: PartWork,
        items: Mapping[int, Item],
        attempts: Mapping[int, int],
        loader: Loader,
        item_seconds: float | None = None,
    ) -> None:
        self._work = work
        self._items = items
        self._attempts = attempts
        self._loader = loader
        self._item_seconds = item_seconds
        self._own_bucket = work.own_bucket
        self._under_way: dict[int, ItemWork] = {}
        """By their places; from before their image is asked about until they have their rows."""
        self._ended: deque[tuple[int, ItemWork]] = deque()
        """Items whose answers are there, and that have no row yet."""
        self._numbers = itertools.count(1)
        """Of items that end: `next` is atomic, and so quicker than a lock."""
        self._wake = threading.Event()
        """Set when there is no more to wait for."""
        self._no_more = False
        """No more images are given to the engine."""
        self._over = False
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
            threads.put(partial(self._load, image, sharing, threads), host_of(image))

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
        self._no_more = self._over = True
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

    def _load(
        self, image: str, places: Sequence[int], threads: LoadThreads, tries: int = 1, begun: float | None = None
    ) -> None:
        if self._no_more:
            return
        with about(**{**self._about, **about_items([self._items[place].id for place in places])}):
            self._load_and_ask(image, places, threads, tries, begun)

    def _load_and_ask(
        self, image: str, places: Sequence[int], threads: LoadThreads, tries: int, begun: float | None
    ) -> None:
        work = self._work
        started = time.monotonic() if begun is None else begun
        try:
            host = host_of(image)
            if refusal := threads.refusal(host):
                loaded = LoadedImage(ImageFacts(problem=refusal))
            else:
                fetched = partial(threads.answered, host)
                loaded = self._loader.load(image, work.engine, own_bucket=self._own_bucket, fetched=fetched)
                threads.judge(host, loaded.facts.problem)
                pause = self._pause(loaded.facts.problem, tries, started, host, threads)
                if pause is not None:
                    threads.put_later(pause, partial(self._load, image, places, threads, tries + 1, started), host)
                    return
            for place in places:
                item = ItemWork(
                    self._items[place],
                    work.engine,
                    started=started,
                    attempts=self._attempts[place],
                    ended=partial(self._end, place),
                )
                self._under_way[place] = item
                # Looked at after that, so that who sets it finds the item or is found here.
                if self._no_more:
                    del self._under_way[place]
                    return
                item.ask(loaded, work.spec.questions, work.spec.options, fill=True, seconds=self._item_seconds)
        except BaseException as error:  # noqa: BLE001 - the part's thread raises it
            self._problem = error
            self._wake.set()

    def _pause(
        self, problem: ItemError | None, tries: int, started: float, host: str | None, threads: LoadThreads
    ) -> float | None:
        """Returns in how many seconds to try again, None for never; what else the host has, waits with it."""
        if problem is None or self._item_seconds is None:
            return None
        pause = pause_before_next(problem, tries, time.monotonic() - started, self._item_seconds)
        if host is not None and problem.after:
            if pause is not None:
                threads.hold(host, pause)
            elif problem.after > self._item_seconds:
                threads.refuse(host, problem.after, problem)
        return pause

    # On the engine's thread. --------------------------------------------------------------------

    def _end(self, place: int, item: ItemWork) -> None:
        self._ended.append((place, item))
        if next(self._numbers) == len(self._items):
            self._wake.set()
