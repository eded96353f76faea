"""How a job stands by its folder alone: what the counters in Redis are set to when they begin, or were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from askpix.producer.errors import JobError
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.live import code_of
from askpix.producer.messages import MAX_ROUND
from askpix.producer.outcomes import Outcome
from askpix.producer.rounds import Failures, Round, chosen
from askpix.producer.rows import Status
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
    codes: Mapping[str, int]
    """Rows that are ok, and that failed, by error code; without those that this round is still to do again."""

    cached: int = 0
    """Of the rows that are ok, those whose answers were all given before."""

    @property
    def failed(self) -> int:
        return sum(self.codes.values())

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
    again = {part: places for part, places in round_.parts.items() if part in todo} if round_ else {}
    ok, cached, codes = 0, 0, Counter[str]()
    for part, (rows, good, known, bad) in _of_each(folder, results, partial(_counted, again=again)).items():
        if rows != spec.items_of(part):
            have, wanted_ = counted(rows, "row"), counted(spec.items_of(part), "item")
            raise folder.damaged_result(part, results[part], f"{have} for {wanted_}")
        ok += good
        cached += known
        codes.update(bad)
    return Standing(round=number, todo=todo, parts=len(wanted), ok=ok, codes=dict(codes), cached=cached)


def next_round(folder: JobFolder, wanted: Failures) -> Round | None:
    """Returns the retry round that does the wanted failures of a finished job again; None where there are none.

    Raises:
        JobError: there have been as many rounds as there can be, or a file of the job is damaged.
    """
    results = folder.results()
    found = _of_each(folder, results, lambda _, outcomes: chosen(outcomes, wanted))
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


def _of_each(
    folder: JobFolder, results: dict[int, int], read: Callable[[int, list[Outcome]], _Read]
) -> dict[int, _Read]:
    """Returns what is read from the outcomes of each part; no more than a few parts are held at a time."""
    if not results:
        return {}
    with ThreadPoolExecutor(_READERS) as pool:
        values = pool.map(lambda part: read(part, folder.read_outcomes(part, results[part])), results)
        return dict(zip(results, values, strict=True))


def _counted(
    part: int, outcomes: list[Outcome], again: Mapping[int, Collection[int]]
) -> tuple[int, int, int, Counter[str]]:
    """Returns how many rows there are, how many are ok, of these how many from the cache, and how many failed, by code,
    and are not done again."""
    places = frozenset(again.get(part, ()))
    good = sum(outcome.status is Status.OK for outcome in outcomes)
    bad = (outcome for place, outcome in enumerate(outcomes) if outcome.status is Status.ERROR and place not in places)
    known = sum(outcome.cached for outcome in outcomes)
    return len(outcomes), good, known, Counter(code_of(outcome.error_code) for outcome in bad)
