"""The items of a part on their way to rows: each image is loaded once, whatever is asked of it by how many items."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.worker.answer_cache.sharing import Sharing
from askpix.worker.asker import Asking
from askpix.worker.cached_asking import CachedAsking
from askpix.worker.image_load import ImageLoad
from askpix.worker.images.again import pause_before_next
from askpix.worker.images.fetch import host_of
from askpix.worker.item_errors import ItemError
from askpix.worker.items_in_work import ItemsInWork
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
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
        self._loader = loader
        self._item_seconds = item_seconds
        self._own_bucket = work.own_bucket
        how = Asking(options=work.spec.options, fill=True, seconds=item_seconds)
        self._in_work = ItemsInWork(work, items, attempts, how)
        self._cached: CachedAsking | None = None
        if sharing is not None:
            self._cached = CachedAsking(
                work, items, self._in_work, sharing, load=self._load, goes_again=self._goes_again
            )

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
        complete = self._in_work.over.wait(timeout)
        self._in_work.make_rows()
        if self._in_work.problem is not None:
            raise self._in_work.problem
        return complete

    def rows(self) -> dict[int, Row]:
        """Returns the rows that were complete when it was last waited or given up, by their places, the newest last."""
        return self._in_work.rows

    def drained(self) -> bool:
        """Has no more images given to the engine; returns whether it has done what it was given."""
        self._in_work.close()
        return self._in_work.is_idle()

    def give_up(self) -> None:
        """Has no more images loaded, and the engine stop working on what it has; rows that are complete stay."""
        self._in_work.make_rows()
        self._in_work.close()
        self._in_work.cancel()

    # On load threads. ---------------------------------------------------------------------------

    def _load(self, load: ImageLoad) -> None:
        if self._in_work.is_closed():
            return
        if not load.started:
            load.started = time.monotonic()
        with self._in_work.minding(load.places):
            if refusal := load.threads.refusal(load.host):
                self._ask(load, LoadedImage(ImageFacts(problem=refusal)))
            elif self._cached is None:
                self._load_and_ask(load)
            else:
                self._load_and_look_up(load, self._cached)

    def _load_and_ask(self, load: ImageLoad) -> None:
        fetched = partial(load.threads.answered, load.host)
        loaded = self._loader.load(load.image, self._work.engine, own_bucket=self._own_bucket, fetched=fetched)
        if not self._goes_again(load, loaded.facts.problem):
            self._ask(load, loaded)

    def _load_and_look_up(self, load: ImageLoad, cached: CachedAsking) -> None:
        facts, fetched = ImageFacts(), partial(load.threads.answered, load.host)
        with self._loader.opening(
            load.image, self._work.engine, facts, own_bucket=self._own_bucket, fetched=fetched
        ) as opening:
            if opening is not None:
                cached.ask(load, opening, facts)
            elif not self._goes_again(load, facts.problem):
                self._ask(load, LoadedImage(facts))

    def _ask(self, load: ImageLoad, loaded: LoadedImage) -> None:
        for place in load.places:
            self._in_work.ask(place, loaded, self._work.engine, started=load.started)

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
