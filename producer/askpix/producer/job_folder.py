"""The job folder: what it holds, under which names, and how it is read and written.

job.json                      the job; written last, so its presence says "completely submitted"
model.json                    name and fingerprint of the model, pinned by the first worker
input/part-000000.ID.parquet  items, in order; ID is the job's own
results/part-000000.parquet   one row per item; its presence says "done"
results/part-000000.r001.parquet   the whole part after that round; readers take the highest
partial/part-000000.parquet   finished rows of a part that was given back
rounds/001.json               a retry round: which items of which parts are done again
corrections/000001.json       what people put right, beside the answers
control/pause, control/cancel what all workers honour
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from askpix.producer.errors import JobError, StorageError, TooLargeError
from askpix.producer.items import Item
from askpix.producer.job_spec import JobSpec
from askpix.producer.job_tables import JobTables
from askpix.producer.outcomes import COLUMNS, Outcome, outcome_from_record, outcomes_from_table
from askpix.producer.parquet import ItemColumns, columns_of, encode_items
from askpix.producer.questions import Question
from askpix.producer.records import (
    RESULT_SCHEMA,
    item_from_record,
    own_questions_from_record,
    row_from_record,
    row_to_record,
    whole_row_from_record,
)
from askpix.producer.rounds import Round
from askpix.producer.rows import Row
from askpix.producer.shown import first_problem
from askpix.producer.storage import Storage

_INPUT = re.compile(r"part-\d{6}\.([0-9a-f]{32})\.parquet")
_RESULT = re.compile(r"part-(\d{6})(?:\.r(\d{3}))?\.parquet")
_ROUND = re.compile(r"(\d{3})\.json")
_TRY_BYTES = 1 << 18

_SPEC_BYTES = 100_000_000
_ROUND_BYTES = 1_000_000_000
"""Of job.json, model.json and a round: no askpix writes larger ones, and each is read whole."""

_REMOVERS = 16
"""Files removed at a time: on S3 each takes some 20 ms."""


class Hold(StrEnum):
    """What keeps workers from a job: a file of that name under control/."""

    PAUSE = "pause"
    CANCEL = "cancel"


class PinnedModel(BaseModel):
    """model.json."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    fingerprint: str


class JobFolder:
    """The files of one job."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._tables = JobTables(storage)

    @property
    def uri(self) -> str:
        return self.storage.uri

    def check_writable(self) -> None:
        """Raises StorageError where the folder takes no file as large as results are."""
        name = f"partial/try-{uuid.uuid4().hex}"
        self.storage.write(name, bytes(_TRY_BYTES))
        self.storage.remove(name)

    # The job itself. -------------------------------------------------------------------------------

    def spec(self) -> JobSpec | None:
        """Returns the job, or None where none was completely submitted.

        Raises:
            JobError: job.json is not one that this version understands.
        """
        try:
            return JobSpec.model_validate_json(self.storage.read("job.json", most=_SPEC_BYTES))
        except FileNotFoundError:
            return None
        except TooLargeError as error:
            raise JobError(f"{error}: it is not a job of this askpix version") from None
        except ValidationError as error:
            raise JobError(f"{self.uri}/job.json is not a job of this askpix version: {first_problem(error)}") from None

    def write_spec(self, spec: JobSpec) -> JobSpec:
        """Completes a submission; returns the job that the folder has now: that of whoever was first.

        Removes what other submissions have left, or still write: none of them can be the first any more.
        """
        self.storage.settle("input")
        # Workers of before know nothing of what is usual.
        usual = {"cache"} if spec.cache else None
        self.storage.create("job.json", spec.model_dump_json(indent=2, exclude=usual).encode() + b"\n")
        # Read even where it was created: not every S3 server keeps two from creating it at once.
        first = self.spec()
        if first is None:
            raise JobError(f"{self.uri}/job.json was removed as soon as it was written: submit again")
        self._remove_other_input(first.id)
        return first

    def pin_model(self, model: PinnedModel) -> PinnedModel:
        """Returns the model that the job is pinned to: the one given, unless another worker came first."""
        if self.storage.create("model.json", model.model_dump_json(indent=2).encode() + b"\n"):
            return model
        try:
            return PinnedModel.model_validate_json(self.storage.read("model.json", most=_SPEC_BYTES))
        except (ValidationError, FileNotFoundError, TooLargeError):
            raise JobError(f"{self.uri}/model.json is damaged: remove it and run the same command again") from None

    # Its input. ------------------------------------------------------------------------------------

    def write_input(self, part: int, items: Iterable[Item] | ItemColumns, job_id: str) -> None:
        """Writes the items of a part, under a name of the job's own: others may be submitted here at the same time.

        What is written so is settled by `write_spec`.
        """
        columns = items if isinstance(items, ItemColumns) else columns_of(list(items))
        self.storage.write(_input_name(part, job_id), encode_items(columns), settled=False)

    def read_input(self, part: int, job_id: str) -> list[Item]:
        """Returns the items of a part, in order.

        Raises:
            JobError: the file is missing or damaged.
        """
        return self._tables.parsed(_input_name(part, job_id), item_from_record)

    def read_own_questions(self, part: int, job_id: str) -> dict[str, tuple[Question, ...]]:
        """Returns those of a part's items that have questions of their own, by their ids; cheaper than the items.

        Raises:
            JobError: the file is missing or damaged.
        """
        found = self._tables.parsed(_input_name(part, job_id), own_questions_from_record, ["id", "questions"])
        return {identity: questions for identity, questions in found if questions is not None}

    def _remove_other_input(self, job_id: str) -> None:
        """Removes input files of other jobs; where that fails they stay, which is harmless."""
        with suppress(StorageError), ThreadPoolExecutor(_REMOVERS) as pool:
            found = filter(None, map(_INPUT.fullmatch, self.storage.names("input")))
            for _ in pool.map(self.storage.remove, [f"input/{name[0]}" for name in found if name[1] != job_id]):
                pass

    # Its results. ----------------------------------------------------------------------------------

    def write_result(self, part: int, rows: Iterable[Row], round_: int = 0) -> None:
        self._tables.write(_result_name(part, round_), RESULT_SCHEMA, map(row_to_record, rows))

    def has_result(self, part: int, round_: int = 0) -> bool:
        return self.storage.exists(_result_name(part, round_))

    def results(self) -> dict[int, int]:
        """Returns the newest round of each part that has a result, by part number in order."""
        newest: dict[int, int] = {}
        for match in filter(None, map(_RESULT.fullmatch, self.storage.names("results"))):
            part, round_ = int(match[1]), int(match[2] or 0)
            newest[part] = max(newest.get(part, 0), round_)
        return dict(sorted(newest.items()))

    def result_times(self) -> dict[tuple[int, int], float]:
        """Returns when each result file was written, in seconds since 1970, by part and round."""
        times = self.storage.times("results")
        return {
            (int(match[1]), int(match[2] or 0)): times[match[0]]
            for match in filter(None, map(_RESULT.fullmatch, times))
        }

    def result_names(self) -> list[str]:
        """Returns the names of the newest result file of each part, in order."""
        return [_result_name(part, round_) for part, round_ in self.results().items()]

    def result_uri(self, part: int, round_: int) -> str:
        return f"{self.uri}/{_result_name(part, round_)}"

    def read_result(self, part: int, round_: int = 0) -> list[Row]:
        """Returns the rows of a part that is done, in the order of its items."""
        return self._tables.parsed(_result_name(part, round_), whole_row_from_record)

    def read_outcomes(self, part: int, round_: int = 0) -> list[Outcome]:
        """Returns how the items of a part fared, in their order; cheaper than the rows."""
        name = _result_name(part, round_)
        table = self._tables.read(name, list(COLUMNS))
        try:
            return outcomes_from_table(table)
        except (KeyError, TypeError, ValueError, OverflowError, pa.ArrowException):
            # Record by record, which does without columns that are missing, and says what is wrong.
            return self._tables.parsed(name, outcome_from_record, list(COLUMNS))

    def read_result_table(self, part: int, round_: int = 0, columns: list[str] | None = None) -> pa.Table:
        """Returns a part's rows, or some columns of them, as they lie in its file: of the version that wrote it."""
        return self._tables.read(_result_name(part, round_), columns)

    def damaged_result(self, part: int, round_: int, what: str) -> JobError:
        """Returns what is raised of a result file that is there and is not what it should be."""
        return self._tables.damaged(_result_name(part, round_), what)

    # Rows of parts that were given back. -----------------------------------------------------------

    def write_partial(self, part: int, rows: Iterable[Row], round_: int = 0) -> None:
        """Keeps the rows of a part that was given back before its end."""
        self._tables.write(_partial_name(part, round_), RESULT_SCHEMA, map(row_to_record, rows))

    def read_partial(self, part: int, round_: int = 0) -> list[Row]:
        """Returns the rows that were kept of a part, in no order."""
        name = _partial_name(part, round_)
        # They only save work: where they are damaged, or of another version, it is done again.
        with suppress(JobError):
            if self.storage.exists(name) and self._tables.read(name).schema.equals(RESULT_SCHEMA):
                return self._tables.parsed(name, row_from_record)
        return []

    def remove_partial(self, part: int, round_: int = 0) -> None:
        self.storage.remove(_partial_name(part, round_))

    # Retry rounds. ---------------------------------------------------------------------------------

    def round(self) -> int:
        """Returns the number of the last retry round, 0 where there is none."""
        return max((int(match[1]) for match in map(_ROUND.fullmatch, self.storage.names("rounds")) if match), default=0)

    def read_round(self, number: int, spec: JobSpec | None = None) -> Round:
        """Returns a retry round.

        Raises:
            JobError: it is missing or damaged, or does again what the job, where it is given, does not have.
        """
        name = f"rounds/{number:03d}.json"
        try:
            round_ = Round.model_validate_json(self.storage.read(name, most=_ROUND_BYTES))
            if round_.round != number or (spec is not None and not round_.fits(spec.items_of)):
                raise ValueError("it is of another job")
        except (FileNotFoundError, ValueError, TooLargeError):
            raise JobError(
                f"{self.uri}/{name} is missing or damaged: remove it, then `askpix retry {self.uri}` begins a new round"
            ) from None
        return round_

    def create_round(self, round_: Round) -> None:
        """Begins a retry round.

        Raises:
            JobError: somebody else began the same one first.
        """
        if not self.storage.create(f"rounds/{round_.round:03d}.json", round_.model_dump_json().encode() + b"\n"):
            raise JobError(f"another retry of {self.uri} began at the same time: watch that one")

    # What keeps workers from it. -------------------------------------------------------------------

    def holds(self) -> frozenset[Hold]:
        """Returns what keeps workers from the job."""
        names = set(self.storage.names("control"))
        return frozenset(hold for hold in Hold if hold in names)

    def hold(self, hold: Hold) -> None:
        self.storage.write(f"control/{hold}", b"")

    def release(self) -> None:
        """Takes back every hold."""
        for hold in self.holds():
            self.storage.remove(f"control/{hold}")


def _input_name(part: int, job_id: str) -> str:
    return f"input/part-{part:06d}.{job_id}.parquet"


def _result_name(part: int, round_: int) -> str:
    return f"results/part-{part:06d}{f'.r{round_:03d}' if round_ else ''}.parquet"


def _partial_name(part: int, round_: int) -> str:
    return _result_name(part, round_).replace("results/", "partial/", 1)
