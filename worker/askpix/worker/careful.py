"""Items that may end the process that works on them: answered one by one, in a process of its own.

A part that workers have died of is done so. When that process ends, the item it had is the one to blame, without any
doubt: nothing else was in it, and whatever ends the worker itself, or the machine, blames nobody. Neither the worker
nor what else it has in work comes to harm.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from askpix.producer.errors import AskpixError, WorkerError
from askpix.producer.items import Item, Options, Question
from askpix.producer.rows import Row
from askpix.worker.access import Access
from askpix.worker.cores import Cores, take, taken
from askpix.worker.ending import EXIT_ENGINE_STOPPED
from askpix.worker.engine.base import Engine
from askpix.worker.errors import EngineStoppedError, ItemError
from askpix.worker.images.decode import ignore_pillow_warnings
from askpix.worker.item import ItemWork
from askpix.worker.loading import ImageFacts, LoadedImage, Loader
from askpix.worker.part_work import PartWork
from askpix.worker.replicas import ended_how

_log = logging.getLogger(__name__)

WORKER_DIED = "worker_died"
"""Code of an item that ended the process which worked on it."""

_STAGES = 3
"""Of an item, each of which may take its time: fetching, decoding, answering."""

_START_SECONDS = 600
"""In which the process is to have built its engine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What the process needs to answer as its worker does."""

    engine: Callable[[], Engine]
    access: Access
    cores: Cores
    contact: str | None
    item_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    """An item, and what is asked of it."""

    item: Item
    attempts: int
    questions: tuple[Question, ...] | None
    options: Options
    own_bucket: str | None


class Careful:
    """Answers the items of a part one by one; see PartItems for how it is used.

    Args:
        items: by their places in the part.
        attempts: of each item, by its place.
    """

    def __init__(self, work: PartWork, items: Mapping[int, Item], attempts: Mapping[int, int], recipe: Recipe) -> None:
        self._work = work
        self._items = items
        self._attempts = attempts
        self._recipe = recipe
        self._child: _Child | None = None
        self._rows: dict[int, Row] = {}
        self._no_more = threading.Event()
        self._over = threading.Event()
        self._problem: BaseException | None = None

    def loads(self) -> Iterator[Callable[[], None]]:
        """Yields what load threads are to do: one function."""
        yield self._run

    def wait(self, timeout: float) -> bool:
        """Waits for all rows, up to `timeout` seconds; returns whether they are there.

        Raises:
            WorkerError: the process cannot be started.
        """
        complete = self._over.wait(timeout)
        if self._problem is not None:
            raise self._problem
        return complete and len(self._rows) == len(self._items)

    def rows(self) -> Mapping[int, Row]:
        """Returns the rows that are complete, by their places."""
        return dict(self._rows)

    def drained(self) -> bool:
        """Has no further item answered; returns whether none is in work."""
        self._no_more.set()
        return self._over.is_set()

    def give_up(self) -> None:
        """Ends the process, with what it has in work."""
        self._no_more.set()
        if (child := self._child) is not None:
            child.kill()

    def _run(self) -> None:
        try:
            for place, item in self._items.items():
                if self._no_more.is_set():
                    break
                row = self._answered(item, self._attempts[place])
                if row is not None:
                    self._rows[place] = row
        except BaseException as error:  # noqa: BLE001 - the part's thread raises it
            self._problem = error
        finally:
            if self._child is not None:
                self._child.close()
            self._over.set()

    def _answered(self, item: Item, attempts: int) -> Row | None:
        """Returns an item's row; None where it was given up meanwhile."""
        started = time.monotonic()
        try:
            if self._child is None:
                self._child = _Child(self._recipe)
                self._child.wait_until_ready()
            return self._child.ask(self._order(item, attempts))
        except EOFError:
            assert self._child is not None
            code = self._child.close()
            self._child = None
        if self._no_more.is_set():
            return None
        how = _how(code, self._recipe.item_seconds)
        _log.error("item %s of %s is set aside: %s", item.id, self._work.folder.uri, how)
        return _blamed(self._work.engine, item, attempts, how, started)

    def _order(self, item: Item, attempts: int) -> _Order:
        spec = self._work.spec
        return _Order(
            item=item,
            attempts=attempts,
            questions=spec.questions,
            options=spec.options,
            own_bucket=self._work.own_bucket,
        )


def _blamed(engine: Engine, item: Item, attempts: int, how: str, started: float) -> Row:
    work = ItemWork(item, engine, started=started, attempts=attempts)
    # It would most likely end the next one too; who knows better says `retry --code`.
    problem = ItemError(WORKER_DIED, f"the process that worked on this item {how}", retryable=False)
    work.ask(LoadedImage(ImageFacts(problem=problem)), None, Options())
    return work.row()


def _how(code: int, seconds: float) -> str:
    if code == -signal.SIGALRM:
        return f"did not end within {_STAGES * seconds:g} seconds"
    return f"ended {ended_how(code)}"


class _Child:
    """The process, from its start to its end."""

    def __init__(self, recipe: Recipe) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, recipe), name="askpix-careful", daemon=True)
        self._process.start()
        theirs.close()
        self._killed = False

    def wait_until_ready(self) -> None:
        """Waits for the process to have its engine.

        Raises:
            WorkerError: it ended before.
            EOFError: it was killed.
        """
        try:
            problem = self._pipe.recv()
        except (EOFError, OSError):
            code = self.close()
            if self._killed:
                raise EOFError from None
            problem = f"it {_how(code, _START_SECONDS / _STAGES)}"
        if problem is not None:
            raise WorkerError(f"the process for items that end their workers could not be started: {problem}")

    def ask(self, order: _Order) -> Row:
        """Returns the row of an item; raises EOFError where the process ends before it has it."""
        try:
            self._pipe.send(order)
            row: Row = self._pipe.recv()
        except OSError:
            raise EOFError from None
        return row

    def kill(self) -> None:
        self._killed = True
        self._process.kill()

    def close(self) -> int:
        """Ends the process where it has not ended; returns its exit code."""
        self._pipe.close()
        self._process.join(1)
        self._process.kill()
        self._process.join()
        return self._process.exitcode or 0


# In the process. ----------------------------------------------------------------------------------


def _serve(pipe: Connection, recipe: Recipe) -> None:
    """Answers what comes, until there is nobody left to answer. The system's own timer ends what takes too long."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        # Whoever signals a whole group means the worker, which ends this.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _first_to_go()
    ignore_pillow_warnings()
    take(recipe.cores)
    signal.alarm(_START_SECONDS)
    try:
        engine = recipe.engine()
    except AskpixError as error:
        pipe.send(str(error))
        return
    loader = Loader(recipe.access, connections=1, contact=recipe.contact, item_seconds=recipe.item_seconds)
    pipe.send(None)
    try:
        while True:
            signal.setitimer(signal.ITIMER_REAL, 0)
            order: _Order = pipe.recv()
            signal.setitimer(signal.ITIMER_REAL, _STAGES * recipe.item_seconds)
            pipe.send(_row(order, engine, loader))
    except EngineStoppedError:
        sys.exit(EXIT_ENGINE_STOPPED)
    except (EOFError, OSError):
        return


def _row(order: _Order, engine: Engine, loader: Loader) -> Row:
    work = ItemWork(order.item, engine, started=time.monotonic(), attempts=order.attempts)
    image = loader.load(order.item.image, engine, own_bucket=order.own_bucket)
    work.ask(image, order.questions, order.options)
    return work.row()


def _first_to_go() -> None:
    """Has the system end this process rather than the worker where memory runs out."""
    with suppress(OSError):  # no Linux
        Path("/proc/self/oom_score_adj").write_text("1000")


def recipe_of(engine: Engine, access: Access, *, contact: str | None, item_seconds: float) -> Recipe:
    """Returns what a process needs to answer as an engine of this one does."""
    return Recipe(engine=engine.recipe, access=access, cores=taken(), contact=contact, item_seconds=item_seconds)
