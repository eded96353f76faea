"""How a job stands by its folder alone: what the counters in Redis are set to when they begin, or were lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from askpix.producer.errors import JobError
from askpix.producer.job import JobFolder, JobSpec
from askpix.producer.messages import MAX_ROUND
from askpix.producer.rounds import Failures, Round, chosen
from askpix.producer.rows import Outcome, Status
from askpix.producer.words import counted

_Read = TypeVar("_Read")

_READERS = 8
"""Result files read at a time: on S3 each takes some 20 to 50 ms, most of it waiting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A job, or the retry round that it is in."""

    round: int
    todo: frozenset[int]
    """Parts of this round that have no result of it."""

    parts: int
    """Parts of this round."""

    ok: int
    failed: int
    """Rows by status, without those that this round does again and has not done yet."""

    @property
    def parts_done(self) -> int:
        return self.parts - len(self.todo)

    @property
    def finished(self) -> bool:
        return not self.todo


def standing(folder: JobFolder, spec: JobSpec) -> Standing:
    """Returns how a job stands; reads the outcomes of all results that there are.

    Raises:
        JobError: a file of the job is damaged.
        StorageError: the folder cannot be read.
    """
    results = folder.results()
    number = folder.round()
    round_ = folder.read_round(number, spec) if number else None
    _check_parts(folder, spec, results, number)
    wanted = range(spec.parts) if round_ is None else round_.parts
    todo = frozenset(part for part in wanted if results.get(part, -1) < number)
    ok = failed = 0
    for part, (good, bad) in _of_each(folder, results, _counted).items():
        if good + bad != spec.items_of(part):
            have, wanted_ = counted(good + bad, "row"), counted(spec.items_of(part), "item")
            raise folder.damaged_result(part, results[part], f"{have} for {wanted_}")
        ok, failed = ok + good, failed + bad
    if round_ is not None:
        failed -= sum(len(places) for part, places in round_.parts.items() if part in todo)
    return Standing(round=number, todo=todo, parts=len(wanted), ok=ok, failed=failed)


def next_round(folder: JobFolder, wanted: Failures) -> Round | None:
    """Returns the retry round that does the wanted failures of a finished job again; None where there are none.

    Raises:
        JobError: there have been as many rounds as there can be, or a file of the job is damaged.
    """
    results = folder.results()
    found = _of_each(folder, results, partial(chosen, wanted=wanted))
    parts = {part: places for part, places in found.items() if places}
    if not parts:
        return None
    # Results may be of a round whose own file was damaged and removed.
    number = max(folder.round(), *results.values()) + 1
    if number > MAX_ROUND:
        raise JobError(f"{folder.uri} has had {MAX_ROUND} retry rounds, and no job has more: submit a new one")
    return Round(round=number, why=str(wanted), parts=parts)


def _check_parts(folder: JobFolder, spec: JobSpec, results: dict[int, int], number: int) -> None:
    """Raises JobError where there are results that cannot be the job's, or none where a round needs them."""
    last = max(results, default=0)
    if last >= spec.parts:
        raise JobError(
            f"{folder.result_uri(last, results[last])} is no result of this job, "
            f"which has {counted(spec.parts, 'part')}: remove it"
        )
    if number and (missing := next((part for part in range(spec.parts) if part not in results), None)) is not None:
        raise JobError(
            f"{folder.uri} has no result of part {missing}, on which retry round {number} counts: "
            f"remove rounds/{number:03d}.json, then `askpix resume {folder.uri}`"
        )


def _of_each(folder: JobFolder, results: dict[int, int], read: Callable[[list[Outcome]], _Read]) -> dict[int, _Read]:
    """Returns what is read from the outcomes of each part; no more than a few parts are held at a time."""
    if not results:
        return {}
    with ThreadPoolExecutor(_READERS) as pool:
        values = pool.map(lambda entry: read(folder.read_outcomes(*entry)), results.items())
        return dict(zip(results, values, strict=True))


def _counted(outcomes: list[Outcome]) -> tuple[int, int]:
    good = sum(outcome.status is Status.OK for outcome in outcomes)
    return good, len(outcomes) - good
