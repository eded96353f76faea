"""One part of a job: its items are answered and written as rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import redis

from askpix.producer.errors import JobError, MessageError
from askpix.producer.items import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.lease import Lease
from askpix.producer.messages import PartMessage
from askpix.producer.progress import Progress
from askpix.producer.registry import Registry
from askpix.producer.rows import Row
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.alone import Recipe
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.flights import Flights, Resume
from askpix.worker.answer_cache.sharing import Sharing
from askpix.worker.answering import Answering
from askpix.worker.careful import Careful
from askpix.worker.engine.base import Engine
from askpix.worker.engines import Engines
from askpix.worker.error_codes import Code
from askpix.worker.hosts import Hosts
from askpix.worker.load_threads import LoadThreads
from askpix.worker.loading import Loader
from askpix.worker.part_items import PartItems
from askpix.worker.part_watch import PartWatch
from askpix.worker.part_work import (
    PartWork,
    give_up,
    keep,
    pin,
    raise_if_held,
    rows_before,
)
from askpix.worker.result_writer import ResultWriter
from askpix.worker.tallies import Tallies
from askpix.worker.telling import Telling, counting

_log = logging.getLogger(__name__)

_DEATHS = 2
"""Of workers that had a part in work, after which its items are done one by one."""

_TOO_MANY_DEATHS = 10
"""After which nobody takes the part any more: even so it ends its workers."""


class PartRunner:
    """Answers parts. Parts may run at the same time, each in a thread of its own.

    They share the load threads, which take images in the order in which they came: so those of the next part are
    loaded while the last answers of one come in.

    Args:
        name: of the worker.
        recipe: returns what a process of its own needs to answer as an engine here does.
        settings: how many images are loaded at a time, how long leases last, and when finished rows are kept.
        seen: is told of jobs that parts are taken of.
        tallies: are told of rows, and of how long parts take.
        answers: where answers are looked up, and kept; None for nowhere.
    """

    def __init__(
        self,
        engines: Engines,
        access: Access,
        loader: Loader,
        counters: redis.Redis,
        *,
        name: str,
        recipe: Callable[[Engine], Recipe],
        settings: Settings,
        seen: Callable[[Iterable[str]], None],
        tallies: Tallies | None = None,
        answers: AnswerCache | None = None,
    ) -> None:
        self._tallies = tallies or Tallies()
        self._engines = engines
        self._access = access
        self._loader = loader
        self._redis = counters
        self._name = name
        hosts = Hosts(
            settings.per_host,
            settings.per_host_rate,
            patience=settings.item_seconds,
            places=settings.load_threads,
        )
        self._threads = LoadThreads(hosts)
        self._sharing = None if answers is None else Sharing(cache=answers, flights=Flights(self._resume))
        self._watch = PartWatch(settings.lease_seconds, settings.keep_seconds)
        self._lease_seconds = settings.lease_seconds
        self._item_seconds = settings.item_seconds
        self._recipe = recipe
        self._results = ResultWriter(self._watch.stopping, self._tallies.write_seconds)
        self._seen = seen

    def drain(self) -> None:
        """Makes parts in work end with GivenBackError when the device has done what it was given of them."""
        self._watch.drain()

    def stop(self, *, died: bool = False) -> None:
        """Makes parts in work end at once with GivenBackError.

        Args:
            died: whether one of them may be the reason for the worker's end.
        """
        self._watch.stop(died=died)

    def close(self) -> None:
        self.stop()
        self._threads.close()

    def silent(self) -> float:
        """Returns for how many seconds a part's thread has not gone on, of several the longest time."""
        return self._watch.silent()

    def stalled(self) -> float:
        """Returns for how many seconds no part has got any further; 0 where there is none."""
        return self._watch.stalled()

    def progress(self, message: PartMessage) -> Progress:
        """Returns the counters of a message's job."""
        return Progress(self._redis, message.job)

    def run(self, message: PartMessage) -> bool:
        """Answers a part and writes its result; returns False where another worker is at it.

        Raises:
            MessageError: the job folder is outside the worker's storage roots, holds no such part, or its
                model, or these weights of it, are not held here; nothing was touched.
            GivenBackError: the worker is stopping.
            HeldError: the job was paused or cancelled.
            EngineStoppedError: the engine has ended.
            JobError: the job's files are damaged.
            StorageError: the storage cannot be read or written.
        """
        with self._watch.at_work():
            return self._run(message)

    def _run(self, message: PartMessage) -> bool:
        folder = JobFolder(self._access.open_job(message.job))
        try:
            lease = self.progress(message).claim(message.part, message.round, self._lease_seconds, self._name)
        except redis.RedisError as error:
            _log.warning("the lease of part %d of %s could not be taken: %s", message.part, folder.uri, error)
            lease = None
        else:
            if lease is None:
                return False
            if lease.deaths:
                self._tallies.taken_over.add()
        try:
            self._finish(self._part_work(message, folder, lease))
        except BaseException as error:
            with counting():
                give_up(lease, error)
            raise
        return True

    def _part_work(self, message: PartMessage, folder: JobFolder, lease: Lease | None) -> PartWork:
        spec = folder.spec()
        if spec is None:
            raise MessageError(f"{message.job!r} holds no job that this worker can see", "no_job")
        if message.part >= spec.parts:
            raise MessageError(f"{message.job!r} holds no job with a part {message.part}", "no_such_part")
        engine = self._engines.of(spec.model)
        self._seen([message.job])
        return PartWork(
            part=message.part,
            round=message.round,
            folder=folder,
            spec=spec,
            engine=engine,
            lease=lease,
            telling=Telling(lease, partial(self._tallies.made, source="part")),
        )

    def _finish(self, work: PartWork) -> None:
        if work.folder.has_result(work.part, work.round):
            rows, places = self._read_result(work), self._places_to_do(work)
        else:
            rows, places = self._make_result(work)
        work.telling.done(rows if places is None else [rows[place] for place in places])

    def _read_result(self, work: PartWork) -> list[Row]:
        """Returns what somebody has written before."""
        rows = work.folder.read_result(work.part, work.round)
        if len(rows) != work.spec.items_of(work.part):
            raise work.folder.damaged_result(work.part, work.round, f"it has {len(rows)} rows")
        return rows

    def _make_result(self, work: PartWork) -> tuple[list[Row], Sequence[int] | None]:
        """Answers a part and writes its result; returns that, and the places of what was done again."""
        begun = time.monotonic()
        raise_if_held(work.folder)
        self._results.check(work.folder)
        pin(work)
        places = self._places_to_do(work)
        rows = self._answer_items(work, places)
        try:
            self._results.write(work, rows)
        except BaseException:
            # Whoever takes the part next need not make them again.
            keep(work, rows if places is None else [rows[place] for place in places])
            raise
        info = work.engine.info
        self._tallies.part_seconds.of(info.model, info.device).add(time.monotonic() - begun)
        self._count_refused(work, rows)
        work.folder.remove_partial(work.part, work.round)
        return rows, places

    def _count_refused(self, work: PartWork, rows: Sequence[Row]) -> None:
        refused = sum(row.error_code == Code.NOT_ALLOWED for row in rows)
        if refused:
            _log.error("%d images of part %d of %s may not be read here", refused, work.part, work.folder.uri)
            with counting():
                Registry(self._redis).count_refused("outside", refused)

    def _places_to_do(self, work: PartWork) -> Sequence[int] | None:
        """Returns the places of the items that a retry round does again; None for the first reading."""
        if work.round == 0:
            return None
        places = work.folder.read_round(work.round, work.spec).parts.get(work.part)
        if places is None:
            raise MessageError(f"round {work.round} of {work.folder.uri} has no part {work.part}", "no_such_part")
        return places

    def _answer_items(self, work: PartWork, places: Sequence[int] | None) -> list[Row]:
        items = work.folder.read_input(work.part, work.spec.id)
        before = rows_before(work) if places is not None else []
        wanted = range(len(items)) if places is None else places
        kept = {row.id: row for row in work.folder.read_partial(work.part, work.round)}
        rows: dict[int, Row] = dict(enumerate(before))
        rows |= {place: kept[str(items[place].id)] for place in wanted if items[place].id in kept}
        todo = [place for place in wanted if items[place].id not in kept]
        tries = {place: before[place].attempts + 1 if before else 1 for place in todo}
        answering = self._answering(work, {place: items[place] for place in todo}, tries, before)
        try:
            answering.begin(self._threads)
            self._watch.follow(work, answering, kept.values())
        except BaseException:
            answering.give_up()
            work.telling.see(answering.rows())
            keep(work, [*kept.values(), *answering.rows().values()])
            raise
        rows |= answering.rows()
        return [rows[place] for place in range(len(items))]

    def _answering(
        self, work: PartWork, items: Mapping[int, Item], tries: Mapping[int, int], before: Sequence[Row]
    ) -> Answering:
        """Returns what answers items: all at a time, or one by one where there is reason to take care."""
        deaths = 0 if work.lease is None else work.lease.deaths
        if deaths >= _TOO_MANY_DEATHS:
            raise JobError(
                f"part {work.part} of {work.folder.uri} has ended {deaths} workers: see their logs, "
                f"then `askpix resume {work.folder.uri}`"
            )
        if deaths >= _DEATHS or any(before and before[place].error_code == Code.WORKER_DIED for place in items):
            _log.warning("part %d of %s is done item by item: workers have died of it", work.part, work.folder.uri)
            return Careful(work, items, tries, self._recipe(work.engine))
        sharing = self._sharing if work.spec.cache else None
        return PartItems(work, items, tries, self._loader, self._item_seconds, sharing)

    def _resume(self, waited: Sequence[Resume]) -> None:
        """Has load threads go on with what waited for others' answers; one, since there is little to do."""

        def go_on() -> None:
            for resume in waited:
                resume()

        self._threads.put(go_on)
