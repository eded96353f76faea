"""Puts jobs on the queue, and takes them off it: submit, pause, resume, cancel, retry.

What is said to the job folder holds; what is said to Redis makes it quick.
"""

from __future__ import annotations

from collections.abc import Callable

from askpix.producer.broker import Broker, answering
from askpix.producer.errors import BrokerError, BrokerTrouble, JobError
from askpix.producer.job_folder import Hold, JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.patience import Patience
from askpix.producer.progress import JobState, Progress, Start
from askpix.producer.queues import queue_name
from askpix.producer.registry import Registry
from askpix.producer.rounds import Failures, Round
from askpix.producer.standing import Standing, next_round, standing
from askpix.producer.window import Window
from askpix.producer.words import counted


class Dispatcher:
    """A producer's hold on the jobs of one broker.

    Args:
        window: how many parts of a job may wait in the broker at a time.
    """

    def __init__(self, broker: Broker, window: int) -> None:
        self._broker = broker
        self._window = window
        self._filler = Window(broker)
        self.registry = Registry(broker.redis)

    def check(self) -> None:
        """Raises BrokerError if the broker does not answer."""
        with answering():
            self._broker.redis.ping()

    def enqueue(
        self,
        folder: JobFolder,
        spec: JobSpec,
        *,
        anew: bool = False,
        patient: bool = True,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Queues the parts that have no result, as many as the window takes, and registers the job.

        A job that is being counted already is only topped up, unless it is to begin `anew`. A broker that is full is
        waited for, and one that is lost for a minute. Once the job is registered, workers queue what does not fit.

        Args:
            folder: the job's.
            spec: the job.
            anew: whether it is counted from its folder again.
            patient: whether to wait at all.
            told: is told what there is to wait for.

        Raises:
            BrokerError: the broker does not take the job; the folder is as it was.
            JobError: the job is held, or a file of it is damaged.
        """
        if holds := folder.holds():
            what = "cancelled" if Hold.CANCEL in holds else "paused"
            raise JobError(f"{folder.uri} was {what}: `askpix resume {folder.uri}` carries on with it")
        patience, registered = Patience(told), False
        while True:
            try:
                with answering():
                    if not registered:
                        self._register(folder, spec, anew=anew)
                    registered = True
                    self._fill(folder)
            except BrokerError as error:
                if error.trouble in (BrokerTrouble.LOST, BrokerTrouble.READ_ONLY):
                    # It, or the one that takes over, may have lost the job too.
                    registered = False
                if registered and error.trouble is BrokerTrouble.FULL:
                    if told is not None:
                        told(f"{error}: workers queue what is left as they make room")
                    return
                if not patient:
                    raise
                patience.wait(error)
            else:
                return

    def _register(self, folder: JobFolder, spec: JobSpec, *, anew: bool) -> None:
        progress = Progress(self._broker.redis, folder.uri)
        reading = progress.read()
        known = reading is not None and reading.id == spec.id and not reading.error
        if anew or not known:
            progress.begin(self._start(spec, standing(folder, spec)))
        self.registry.add_job(folder.uri)

    def _fill(self, folder: JobFolder) -> None:
        if not self._filler.fill(folder.uri) and Progress(self._broker.redis, folder.uri).read() is None:
            raise BrokerError(f"the broker has lost what it knew of {folder.uri}", BrokerTrouble.LOST)

    def pause(self, folder: JobFolder) -> None:
        """Keeps workers from a job until it is resumed; they give back what they have in work."""
        folder.hold(Hold.PAUSE)
        self._tell(folder, JobState.PAUSED)

    def cancel(self, folder: JobFolder) -> None:
        """Stops a job for good, as far as anything is for good: what is done stays, and `resume` carries on."""
        folder.hold(Hold.CANCEL)
        self._tell(folder, JobState.CANCELLED)
        with answering():
            self.registry.remove_job(folder.uri)

    def resume(self, folder: JobFolder, spec: JobSpec) -> None:
        """Carries on with a job that was paused or cancelled, stopped on an error, or whose broker was lost."""
        self.check()
        folder.release()
        self.enqueue(folder, spec, anew=True)

    def retry(self, folder: JobFolder, spec: JobSpec, wanted: Failures) -> Round | None:
        """Begins a round that does failed items of a finished job again; returns it, or None where none is wanted.

        Raises:
            JobError: the job, or its last round, is not finished.
            BrokerError: the broker does not take the parts; `resume` carries on with the round.
        """
        self.check()
        stand = standing(folder, spec)
        if not stand.finished:
            what = f"its retry round {stand.round}" if stand.round else "the job"
            raise JobError(
                f"{folder.uri}: {what} is not finished, {counted(len(stand.todo), 'part')} without a result yet: "
                f"wait for it, or `askpix resume {folder.uri}`"
            )
        round_ = next_round(folder, wanted)
        if round_ is not None:
            folder.create_round(round_)
            folder.release()
            self.enqueue(folder, spec, anew=True)
        return round_

    def _tell(self, folder: JobFolder, state: JobState) -> None:
        try:
            with answering():
                Progress(self._broker.redis, folder.uri).change_state(state)
        except BrokerError as error:
            said = f"{error} (workers were told through the job folder all the same)"
            raise BrokerError(said, error.trouble) from error

    def _start(self, spec: JobSpec, stand: Standing) -> Start:
        done = bytearray(b"\xff" * (spec.parts // 8 + 1))
        for part in stand.todo:
            done[part // 8] &= ~(0x80 >> part % 8) & 0xFF
        return Start(
            id=spec.id,
            queue=queue_name(spec.model, spec.device),
            items=spec.items,
            total=spec.parts,
            round=stand.round,
            parts=stand.parts,
            done=done,
            parts_done=stand.parts_done,
            ok=stand.ok,
            failed=stand.failed,
            cached=stand.cached,
            codes=stand.codes,
            window=spec.max_queued or self._window,
            notify=spec.notify,
        )
