"""The items of a part whose images are there, or cannot be had: from then on until they have their rows."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.worker.asker import Asking
from askpix.worker.engine.base import Askable
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import EngineStoppedError
from askpix.worker.loading import LoadedImage
from askpix.worker.logs.about import about, about_items, subject
from askpix.worker.part_work import PartWork
from askpix.worker.taken_over import TakenOver


class ItemsInWork:
    """Items that are being asked about, in any order, and those that have their rows.

    Load threads ask; an item is said to have ended on the engine's thread; and the part's own thread makes the rows.

    Args:
        items: of the part, by their places in it.
        attempts: of each item, by its place.
        how: they are asked.
    """

    def __init__(self, work: PartWork, items: Mapping[int, Item], attempts: Mapping[int, int], how: Asking) -> None:
        self._work = work
        self._items = items
        self._attempts = attempts
        self._how = how
        self._asked: dict[int, ItemWork | TakenOver] = {}
        """By their places; from before their image is asked about until they have their rows."""
        self._ended: deque[tuple[int, ItemWork | TakenOver]] = deque()
        """Items whose answers are there, and that have no row yet."""
        self._numbers = itertools.count(1)
        """Of items that end: `next` is atomic, and so quicker than a lock."""
        self._no_more = False
        self._about = subject()
        self.rows: dict[int, Row] = {}
        """By their places, the newest last; as `make_rows` left them."""
        self.over = threading.Event()
        """Set when there is no more to wait for."""
        self.problem: BaseException | None = None
        """Why the part cannot go on."""
        if not items:
            self.over.set()

    def is_idle(self) -> bool:
        """Returns whether nothing is being asked, and all that ended has its row."""
        return not self._asked

    def is_closed(self) -> bool:
        """Returns whether no more is asked."""
        return self._no_more

    def close(self) -> None:
        """Has no more asked; what is being asked goes on."""
        self._no_more = True

    def cancel(self) -> None:
        """Has the engine stop working on what is being asked."""
        for item in list(self._asked.values()):
            item.cancel()

    def make_rows(self) -> None:
        """Makes the rows of items that have ended: on the part's thread, since the device waits for the engine's."""
        while self._ended:
            place, item = self._ended.popleft()
            del self._asked[place]
            try:
                self.rows[place] = item.row()
            except EngineStoppedError as error:
                # Those that had their answers before it did are kept.
                self.problem = error

    @contextmanager
    def minding(self, places: Sequence[int]) -> Iterator[None]:
        """Has the part's thread raise what a block raises, whose lines are about these items."""
        with about(**{**self._about, **about_items([self._items[place].id for place in places])}):
            try:
                yield
            except BaseException as error:  # noqa: BLE001 - the part's thread raises it
                self.problem = error
                self.over.set()

    def ask(
        self,
        place: int,
        loaded: LoadedImage,
        engine: Askable,
        *,
        started: float,
        ended: Callable[[ItemWork], None] | None = None,
    ) -> bool:
        """Asks an item's questions; returns whether it did, which it does not where no more is asked.

        Args:
            place: of the item.
            engine: that has the image.
            started: when the image was taken, as `time.monotonic()` counts.
            ended: is called in place of `end` when it has ended; calls that, or `drop`.

        Raises:
            EngineStoppedError: the worker is of no more use; `ended` is not called.
        """
        ended = ended or partial(self.end, place)
        item = ItemWork(self._items[place], engine, started=started, attempts=self._attempts[place], ended=ended)
        if not self._takes(place, item):
            return False
        item.ask(loaded, self._work.spec.questions, self._how)
        return True

    def take_over(self, places: Sequence[int], first: ItemWork) -> None:
        """Has items fail as another did, without asking the same again."""
        for place in places:
            item = TakenOver(self._items[place], first, attempts=self._attempts[place])
            if not self._takes(place, item):
                return
            self.end(place, item)

    def end(self, place: int, item: ItemWork | TakenOver) -> None:
        """Says that an item has all of its answers, or never will have."""
        self._ended.append((place, item))
        if next(self._numbers) == len(self._items):
            self.over.set()

    def drop(self, place: int) -> None:
        """Says that an item has to be asked once more."""
        del self._asked[place]

    def _takes(self, place: int, item: ItemWork | TakenOver) -> bool:
        self._asked[place] = item
        # Looked at after that, so that who sets it finds the item or is found here.
        if self._no_more:
            del self._asked[place]
            return False
        return True
