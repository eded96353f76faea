"""A part in work: what its job's folder and counters say and hear, and how it ends without a result."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from askpix.producer.errors import AskpixError, JobError, MessageError, StorageError, WorkerError
from askpix.producer.job_folder import Hold, JobFolder, PinnedModel
from askpix.producer.job_spec import JobSpec
from askpix.producer.lease import Lease
from askpix.producer.locations import S3Location
from askpix.producer.progress import JobState
from askpix.producer.rows import Row
from askpix.worker.engine.base import Engine
from askpix.worker.item_errors import EngineStoppedError
from askpix.worker.telling import Telling

_log = logging.getLogger(__name__)


class GivenBackError(Exception):
    """The worker is stopping; the part goes back to the queue.

    Args:
        died: whether the part may be the reason for that.
    """

    def __init__(self, *, died: bool = False) -> None:
        super().__init__()
        self.died = died


class HeldError(Exception):
    """The job was paused or cancelled; the folder knows what is to be done, the message is dropped."""

    def __init__(self, state: JobState) -> None:
        super().__init__(state.value)
        self.state = state


@dataclass(frozen=True, kw_only=True, slots=True)
class PartWork:
    """A part that is being worked on."""

    part: int
    round: int
    folder: JobFolder
    spec: JobSpec
    engine: Engine
    lease: Lease | None
    """None where the broker is lost: then nothing is counted."""

    telling: Telling

    @property
    def own_bucket(self) -> str | None:
        """The S3 bucket that the job itself is in, if any."""
        uri = self.folder.uri
        return S3Location.parse(uri).bucket if uri.startswith("s3://") else None


def give_up(lease: Lease | None, error: BaseException) -> None:
    """Tells the counters why a part ends without a result."""
    if lease is None:
        return
    match error:
        case HeldError():
            lease.hold(error.state.value)
        case GivenBackError():
            lease.release(to_queue=True, died=error.died)
        case EngineStoppedError():
            lease.release(to_queue=True, died=True)
        case MessageError() | WorkerError():
            lease.release()
        case MemoryError():
            lease.release(died=True)
        case StorageError(passing=True):
            lease.release()
        case AskpixError():
            lease.fail(str(error))
        case _:
            lease.fail(f"the worker failed: {type(error).__name__}: {error}")


def raise_if_held(folder: JobFolder) -> None:
    """Raises HeldError if the folder says that the job is paused or cancelled."""
    if holds := folder.holds():
        raise HeldError(JobState.CANCELLED if Hold.CANCEL in holds else JobState.PAUSED)


def look_for_holds(folder: JobFolder) -> None:
    """Does the same in the midst of work, where a storage that does not answer is no reason to stop."""
    try:
        raise_if_held(folder)
    except StorageError as error:
        # One that is gone for good will not take the result either.
        _log.warning("%s", error)


def pin(work: PartWork) -> None:
    """Pins the job to the engine's weights; raises MessageError where it is pinned to others."""
    info = work.engine.info
    pinned = work.folder.pin_model(PinnedModel(name=info.model, fingerprint=info.fingerprint))
    if pinned.fingerprint != info.fingerprint:
        raise MessageError(
            f"{work.folder.uri} was begun with other weights of {info.model}: use the same model folder, "
            "or a new job folder",
            "other_weights",
        )


def rows_before(work: PartWork) -> list[Row]:
    """Returns the part's rows as the rounds before left them."""
    for round_ in range(work.round - 1, -1, -1):
        if work.folder.has_result(work.part, round_):
            return work.folder.read_result(work.part, round_)
    raise JobError(f"{work.folder.uri} has no result of part {work.part} that round {work.round} could begin from")


def keep(work: PartWork, rows: list[Row]) -> None:
    """Writes what is finished of a part that is given back; where that fails, it will be done again."""
    with suppress(AskpixError):
        if rows:
            work.folder.write_partial(work.part, rows, work.round)
