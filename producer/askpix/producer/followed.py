"""A submitted job as its producer sees it: how far it is, its results, and a hand on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from askpix.producer.broker import Broker, answering
from askpix.producer.corrections import corrections
from askpix.producer.dispatch import Dispatcher
from askpix.producer.errors import BrokerError, JobError
from askpix.producer.job_folder import Hold, JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.live import Glimpse
from askpix.producer.patience import Patience
from askpix.producer.progress import JobState, Progress, Reading
from askpix.producer.rounds import Failures, Round
from askpix.producer.rows import Row
from askpix.producer.serving import Looks, Serving, Unserved, serving_of
from askpix.producer.standing import standing
from askpix.producer.storage_opening import open_storage


@dataclass(frozen=True, kw_only=True, slots=True)
class JobProgress:
    """How far a job is."""

    state: str
    """running, paused, cancelled or done."""

    items: int
    done: int
    ok: int
    failed: int
    """`ok` and `failed` count finished parts; `done` also the items of parts in work."""

    parts: int
    parts_done: int
    """Of the retry round, where there is one."""

    round: int
    finished: bool
    counted: bool
    """Whether the broker knows the job; if not, this is what the job folder says."""

    error: str | None = None
    """Why a part could not be finished, if one could not: the job stops there."""

    warning: str | None = None
    """Why a worker refused a part; others may take it."""

    passing: bool = False
    """Whether what the warning tells passes by itself: storage that is full or away, say."""

    codes: Mapping[str, int] = field(default_factory=dict)
    """How many items failed so far, by error code; also of parts in work."""

    cached: int = 0
    """Items done of which no answer was asked of the model, since all were given before; also of parts in work."""

    workers: Mapping[str, int] = field(default_factory=dict)
    """How many items each worker has answered since the job, or its round, was queued; named as in `Client.workers`."""

    latest: tuple[Glimpse, ...] = ()
    """The newest answers that a worker told of."""

    serving: Serving | None = None
    """Who takes the job's parts, and if nobody does, why. `Job.watch` alone looks, every few seconds while the job
    runs; None where it has not."""

    @property
    def failures(self) -> int:
        """How many items failed so far, also of parts in work where that is known."""
        return max(self.failed, sum(self.codes.values()))


class Job:
    """A submitted job.

    Without a broker, only its folder is read.
    """

    folder: JobFolder
    """Its files, as exports take them."""

    spec: JobSpec
    """What job.json says."""

    def __init__(
        self, folder: JobFolder, spec: JobSpec, broker: Broker | None = None, dispatcher: Dispatcher | None = None
    ) -> None:
        self.folder = folder
        self.spec = spec
        self._dispatcher = dispatcher
        self._progress = None if broker is None else Progress(broker.redis, folder.uri)

    @classmethod
    def open(cls, uri: str) -> Job:
        """Returns the job in a folder, to read its results.

        Raises:
            JobError: there is none.
        """
        folder = JobFolder(open_storage(uri))
        spec = folder.spec()
        if spec is None:
            raise JobError(f"{uri} holds no job: give the folder that was the --output of a run or a submit")
        return cls(folder, spec)

    def watch(self, interval: float = 0.25, told: Callable[[str], None] | None = None) -> Iterator[JobProgress]:
        """Yields the job's progress every `interval` seconds, last when it has ended or a part of it failed.

        Args:
            interval: in seconds.
            told: is told, in words for a person, when the broker has to be waited for.

        Raises:
            BrokerError: the broker does not answer, and that for more than a minute once it had.
            JobError: the broker does not know the job, so that nobody works on it; or a file of it is damaged. A
                job that the broker knew and has lost meanwhile is restored from its folder instead.
        """
        known, patience, looks = False, Patience(told), Looks(self.serving)
        while True:
            try:
                progress = self.progress()
                if progress.counted and progress.state == JobState.RUNNING:
                    progress = replace(progress, serving=looks.at(progress.workers))
            except BrokerError as error:
                if not known:
                    raise
                patience.wait(error)
                continue
            patience.reset()
            yield progress
            if progress.finished or progress.error or progress.state == JobState.CANCELLED:
                return
            if not progress.counted and known and progress.state == JobState.RUNNING:
                self._at_hand().enqueue(self.folder, self.spec)
            elif not progress.counted:
                # Nor will it, and to look again would be to read the whole folder again.
                uri = self.folder.uri
                raise JobError(f"the broker does not know {uri}: `askpix resume {uri}` queues what is missing")
            known = True
            time.sleep(interval)

    def progress(self) -> JobProgress:
        """Returns how far the job is: by the counters, or by the folder where there are none.

        Raises:
            BrokerError: the counters cannot be read.
        """
        reading = self._read()
        if reading is not None:
            return _as_told(reading)
        stand = standing(self.folder, self.spec)
        holds = self.folder.holds()
        state = JobState.CANCELLED if Hold.CANCEL in holds else JobState.PAUSED if holds else JobState.RUNNING
        return JobProgress(
            state="done" if stand.finished else state.value,
            items=self.spec.items,
            done=stand.ok + stand.failed,
            ok=stand.ok,
            failed=stand.failed,
            parts=stand.parts,
            parts_done=stand.parts_done,
            round=stand.round,
            finished=stand.finished,
            counted=False,
            codes=stand.codes,
            cached=stand.cached,
        )

    def served(self) -> bool:
        """Returns whether a live worker takes the job's parts.

        Raises:
            BrokerError: the broker does not answer.
        """
        return bool(self.devices())

    def unserved(self) -> Unserved | None:
        """Returns why nobody works on the job, where nobody does or none can now.

        Raises:
            BrokerError: the broker does not answer.
        """
        return self.serving().unserved

    def devices(self) -> dict[str, str]:
        """Returns the live workers that take the job's parts, by name, and the device of each.

        Raises:
            BrokerError: the broker does not answer.
        """
        return dict(self.serving().devices)

    def serving(self) -> Serving:
        """Returns who takes the job's parts. One command, and one more where all seem busy.

        Raises:
            BrokerError: the broker does not answer.
        """
        with answering():
            workers = self._at_hand().registry.workers()
            return serving_of(workers, self.spec.model, self.spec.device, in_work=self._in_work)

    def results(self) -> Iterator[Row]:
        """Yields the newest rows of the parts that are done, in the order of the input."""
        for part, round_ in self.folder.results().items():
            yield from self.folder.read_result(part, round_)

    def corrections(self) -> Mapping[str, Mapping[str, str]]:
        """Returns what people put right: by an item's id and what the answer is called, the newest text.

        Of several terms, commas stand between them; an empty text says that none is so.

        Raises:
            JobError: a file of corrections is damaged.
        """
        return corrections(self.folder)

    def files(self) -> list[str]:
        """Returns the newest result file of each part that is done, in order, for programs that read Parquet.

        They are absolute paths, or `s3://` URIs. After a retry round, the folder also holds the files before it.
        """
        return [f"{self.folder.uri}/{name}" for name in self.folder.result_names()]

    def pause(self) -> None:
        """Holds the job: within seconds no worker works on it. What is done stays."""
        self._at_hand().pause(self.folder)

    def resume(self) -> None:
        """Carries on: after a pause, a cancel, an error, or when the broker has lost the job."""
        self._at_hand().resume(self.folder, self.spec)

    def cancel(self) -> None:
        """Stops the job. What is done stays."""
        self._at_hand().cancel(self.folder)

    def retry(self, codes: Collection[str] = (), *, every: bool = False) -> Round | None:
        """Does failed items again, in a new round; returns it, or None where there is nothing to do again.

        Args:
            codes: error codes of the failures to try again; by default all that trying again can help.
            every: all failures, whatever their code.

        Raises:
            JobError: the job is not finished.
        """
        return self._at_hand().retry(self.folder, self.spec, Failures(codes, every=every))

    def forget_leases(self) -> None:
        """Says that nobody has any part in work, whatever leases say: for whoever knows that the workers have died."""
        if self._progress is not None:
            with answering():
                self._progress.forget_leases()

    def _read(self) -> Reading | None:
        if self._progress is None:
            return None
        with answering():
            reading = self._progress.read()
        # Counters of another job that was in this folder once say nothing.
        return reading if reading is not None and reading.id == self.spec.id else None

    def _in_work(self) -> bool:
        return self._progress is not None and self._progress.in_work()

    def _at_hand(self) -> Dispatcher:
        if self._dispatcher is None:
            raise JobError("a job that was opened without a broker can only be read: use Client.job")
        return self._dispatcher


def _as_told(reading: Reading) -> JobProgress:
    return JobProgress(
        state="done" if reading.finished else reading.state.value,
        items=reading.items,
        done=min(reading.done, reading.items),
        ok=reading.ok,
        failed=reading.failed,
        parts=reading.parts,
        parts_done=reading.parts_done,
        round=reading.round,
        finished=reading.finished,
        counted=True,
        error=None if reading.finished else reading.error,
        warning=None if reading.finished else reading.warning,
        passing=reading.passing,
        codes=reading.codes,
        cached=reading.cached,
        workers=reading.workers,
        latest=reading.latest,
    )
