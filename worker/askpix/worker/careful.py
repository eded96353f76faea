"""Items that may end the process that works on them: answered one by one, in a process of their own.

A part that workers have died of is done so. When that process ends while it has an item, that item is to blame:
nothing else was in it, it had answered an image of our own before, and whatever ends the worker itself, or the machine,
blames nobody. Neither the worker nor what else it has in work comes to harm.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Mapping

from askpix.producer.errors import WorkerError
from askpix.producer.items import Item
from askpix.producer.rows import Row
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.alone import READY, TAKEN, Order, Recipe, serve
from askpix.worker.asker import Asking
from askpix.worker.cores import taken
from askpix.worker.engine.base import Engine
from askpix.worker.error_codes import Code
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item import ItemWork
from askpix.worker.item_errors import ItemError
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import ImageFacts, LoadedImage
from askpix.worker.logs.about import about, about_items, carried, subject
from askpix.worker.logs.setup import current_form
from askpix.worker.part_work import PartWork
from askpix.worker.replicas import ended_how

_log = logging.getLogger(__name__)

_ENDED_BY_OTHERS = (-signal.SIGTERM, -signal.SIGINT, -signal.SIGQUIT, -signal.SIGHUP)
"""How no item ends a process."""

_TRIES = 3
"""Of an item whose process was ended by others, or for memory, which others may have taken."""


class _EndedError(Exception):
    """The process has ended.

    Args:
        code: its exit code.
        stage: the last that it said of the item that it had.
    """

    def __init__(self, code: int, stage: str | None) -> None:
        super().__init__()
        self.code = code
        self.stage = stage


class Careful:
    """Answers the items of a part one by one; see Answering for how it is used.

    Args:
        items: by their places in the part.
        attempts: of each item, by its place.
    """

    def __init__(self, work: PartWork, items: Mapping[int, Item], attempts: Mapping[int, int], recipe: Recipe) -> None:
        self._work = work
        self._items = items
        self._attempts = attempts
        self._recipe = recipe
        self._process: _Process | None = None
        self._rows: dict[int, Row] = {}
        self.harmless = False
        """Whether the worker cannot die, or hang, of the items: from when the process is ready."""
        self._no_more = threading.Event()
        self._given_up = threading.Event()
        self._over = threading.Event()
        self._problem: BaseException | None = None

    def begin(self, threads: LoadThreads) -> None:
        """Gives load threads what they are to do: one function."""
        threads.put(carried(self._run))

    def wait(self, timeout: float) -> bool:
        """Waits for all rows, up to `timeout` seconds; returns whether they are there.

        Raises:
            WorkerError: the process cannot be started, or is ended again and again.
        """
        complete = self._over.wait(timeout)
        if self._problem is not None:
            raise self._problem
        return complete and len(self._rows) == len(self._items)

    def rows(self) -> dict[int, Row]:
        """Returns the rows that are complete, by their places, the newest last."""
        return dict(self._rows)

    def drained(self) -> bool:
        """Has no further item answered; returns whether none is in work."""
        self._no_more.set()
        return self._over.is_set()

    def give_up(self) -> None:
        """Ends the process, with what it has in work."""
        self._no_more.set()
        self._given_up.set()
        if (process := self._process) is not None:
            process.kill()

    def _run(self) -> None:
        try:
            with self._work.engine.set_aside():
                self._answer_all()
        except BaseException as error:  # noqa: BLE001 - the part's thread raises it
            self._problem = error
        finally:
            self._over.set()

    def _answer_all(self) -> None:
        try:
            for place, item in self._items.items():
                with about(**about_items([item.id])):
                    row = None if self._no_more.is_set() else self._answered(item, self._attempts[place])
                if row is None:
                    break
                self._rows[place] = row
        finally:
            # Before the worker's own engine takes its memory again.
            if self._process is not None:
                self._process.close()

    def _answered(self, item: Item, attempts: int) -> Row | None:
        """Returns an item's row; None where it was given up meanwhile."""
        started = time.monotonic()
        for left in reversed(range(_TRIES)):
            try:
                return self._ready_process().ask(self._order(item, attempts))
            except _EndedError as error:
                self._process = None
                if self._given_up.is_set():
                    return None
                problem = self._problem_of(error)
                if problem is not None and (left == 0 or error.code != -signal.SIGKILL):
                    _log.error("item %s of %s is set aside: %s", item.id, self._work.folder.uri, problem.message)
                    return _failed(self._work.engine, item, attempts, problem, started)
                _log.warning("the process for items that end their workers ended %s", ended_how(error.code))
        raise WorkerError("the process for items that end their workers was ended again and again")

    def _problem_of(self, ended: _EndedError) -> ItemError | None:
        """Returns what an item has to do with the end of the process that had it; None for nothing."""
        if ended.stage is None or ended.code in _ENDED_BY_OTHERS:
            return None
        if ended.code == -signal.SIGALRM:
            seconds = self._recipe.item_seconds
            if ended.stage == TAKEN:
                # Where it comes from hangs; the image may be well.
                return ItemError(Code.TIMEOUT, f"it could not be fetched in {seconds:g} seconds", retryable=True)
            how = f"did not end: it had {seconds:g} seconds for each of fetching, decoding and its questions"
        else:
            how = f"ended {ended_how(ended.code)}"
        # It would most likely end the next one too, unless that has more memory.
        retryable = ended.code == -signal.SIGKILL
        return ItemError(Code.WORKER_DIED, f"the process that worked on this item {how}", retryable=retryable)

    def _ready_process(self) -> _Process:
        if self._process is None:
            self._process = _Process(self._recipe)
            if self._given_up.is_set():
                self._process.kill()
            self._process.wait_until_ready()
            self.harmless = True
        return self._process

    def _order(self, item: Item, attempts: int) -> Order:
        spec = self._work.spec
        return Order(
            item=item,
            attempts=attempts,
            questions=item.questions or spec.questions,
            options=spec.options,
            own_bucket=self._work.own_bucket,
            about=subject(),
        )


def _failed(engine: Engine, item: Item, attempts: int, problem: ItemError, started: float) -> Row:
    work = ItemWork(item, engine, started=started, attempts=attempts)
    work.ask(LoadedImage(ImageFacts(problem=problem)), None, Asking())
    return work.row()


class _Process:
    """The process, from its start to its end.

    Raises:
        WorkerError: it cannot be started.
    """

    def __init__(self, recipe: Recipe) -> None:
        context = multiprocessing.get_context("spawn")
        try:
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=serve, args=(theirs, recipe), name="askpix-alone", daemon=True)
            self._process.start()
        except OSError as error:
            raise _not_started(f"{error.strerror or error}") from None
        theirs.close()
        self._fingerprint = recipe.fingerprint
        self._killed = False

    def wait_until_ready(self) -> None:
        """Waits for the process to have its engine.

        Raises:
            WorkerError: it has not, and will not.
            _EndedError: it was killed.
        """
        try:
            said, what = self._pipe.recv()
        except (EOFError, OSError):
            code = self.close()
            if self._killed:
                raise _EndedError(code, None) from None
            raise _not_started(f"it ended {ended_how(code)}") from None
        if said != READY:
            raise _not_started(what)
        if what != self._fingerprint:
            self.close()
            raise _not_started("the model folder holds another model by now: start the worker again")

    def ask(self, order: Order) -> Row:
        """Returns the row of an item.

        Raises:
            _EndedError: the process ended before it had it.
        """
        stage: str | None = None
        try:
            self._pipe.send(order)
            while True:
                said = self._pipe.recv()
                if isinstance(said, Row):
                    return said
                stage = said
        except (EOFError, OSError):
            raise _EndedError(self.close(), stage) from None

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


def _not_started(why: str) -> WorkerError:
    return WorkerError(f"the process for items that end their workers could not be started: {why}")


def recipe_of(engine: Engine, *, access: Access, rules: FetchRules, settings: Settings) -> Recipe:
    """Returns what a process needs to answer as an engine of this one does."""
    return Recipe(
        engine=engine.recipe,
        fingerprint=engine.info.fingerprint,
        access=access,
        cores=taken(),
        rules=rules,
        item_seconds=settings.item_seconds,
        decode_megabytes=settings.decode_megabytes,
        logs=current_form(),
    )
