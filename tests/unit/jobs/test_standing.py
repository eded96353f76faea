"""How a job stands by its folder: files that a stranger, or a damaged disk, has changed are named, with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.rows import failed_row, ok_row

from askpix.producer import followed
from askpix.producer.errors import JobError
from askpix.producer.followed import Job
from askpix.producer.job_folder import Hold, JobFolder
from askpix.producer.job_order import Order
from askpix.producer.job_spec import JobSpec
from askpix.producer.records import RESULT_SCHEMA, row_to_record
from askpix.producer.rounds import Failures, Round
from askpix.producer.rows import Row
from askpix.producer.standing import Standing, next_round, standing
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

IMAGES = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(LocalStorage(tmp_path / "job"))


@pytest.fixture
def spec(folder: JobFolder) -> JobSpec:
    """A job of three items in two parts."""
    return write_job(IMAGES, folder, Order(model="m", part_size=2), base="/")


@pytest.fixture
def done(folder: JobFolder, spec: JobSpec) -> JobSpec:
    """The same, finished; one item of each part failed."""
    folder.write_result(0, [ok_row("a.jpg"), failed_row("b.jpg")])
    folder.write_result(1, [failed_row("c.jpg")])
    return spec


def test_items_of_a_part_are_those_of_its_input(folder: JobFolder, spec: JobSpec) -> None:
    assert [spec.items_of(part) for part in range(3)] == [2, 1, 0]
    assert [len(folder.read_input(part, spec.id)) for part in range(2)] == [2, 1]


# Results. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "rows", "said"),
    [
        (0, [ok_row("a.jpg")], "1 row for 2 items"),
        (0, [], "0 rows for 2 items"),
        (1, [ok_row("c.jpg"), ok_row("d.jpg")], "2 rows for 1 item"),
    ],
)
def test_a_result_with_another_number_of_rows_is_named_and_doing_what_is_said_helps(
    folder: JobFolder, done: JobSpec, part: int, rows: list[Row], said: str
) -> None:
    folder.write_result(part, rows)

    with pytest.raises(JobError) as caught:
        standing(folder, done)

    name = f"results/part-{part:06d}.parquet"
    assert f"{folder.uri}/{name} is damaged ({said}): remove it, then `askpix resume {folder.uri}`" in str(caught.value)
    folder.storage.remove(name)
    assert standing(folder, done).todo == {part}


def test_an_unreadable_result_says_the_same(folder: JobFolder, done: JobSpec) -> None:
    folder.storage.write("results/part-000001.parquet", b"no parquet")

    with pytest.raises(JobError, match=r"results/part-000001\.parquet is damaged .*: remove it, then `askpix resume"):
        standing(folder, done)


def test_a_result_of_no_part_of_the_job_is_named(folder: JobFolder, done: JobSpec) -> None:
    folder.write_result(2, [ok_row("z.jpg")])

    with pytest.raises(JobError, match=r"part-000002\.parquet is no result of this job, which has 2 parts: remove it"):
        standing(folder, done)


# Rounds. -----------------------------------------------------------------------------------------


def write_round(folder: JobFolder, number: int, parts: Any, **values: Any) -> None:
    made = {"round": number, "created_at": "2026-01-02T03:04:05Z", "why": "", "parts": parts, **values}
    folder.storage.write(f"rounds/{number:03d}.json", json.dumps(made).encode())


@pytest.mark.parametrize(
    "parts",
    [{"2": [0]}, {"0": [2]}, {"1": [1]}, {"0": [0, 99]}, {"0": [-1]}, {"-1": [0]}, {"0": []}, {"x": [0]}, [], None],
    ids=str,
)
def test_a_round_of_what_the_job_does_not_have_is_named_and_can_be_removed(
    folder: JobFolder, done: JobSpec, parts: Any
) -> None:
    write_round(folder, 1, parts)

    with pytest.raises(JobError, match=r"rounds/001\.json is missing or damaged: remove it, then `askpix retry"):
        standing(folder, done)

    folder.storage.remove("rounds/001.json")
    assert standing(folder, done).finished


def test_a_round_that_is_called_after_another_is_damaged(folder: JobFolder, done: JobSpec) -> None:
    write_round(folder, 1, {"0": [1]}, round=2)

    with pytest.raises(JobError, match=r"rounds/001\.json is missing or damaged"):
        standing(folder, done)


def test_a_result_that_a_round_counts_on_is_missed_and_doing_what_is_said_helps(
    folder: JobFolder, done: JobSpec
) -> None:
    # Given: a round that does a part again, done, and the result of the other part lost.
    folder.create_round(Round(round=1, why="", parts={1: (0,)}))
    folder.write_result(1, [ok_row("c.jpg")], 1)
    assert standing(folder, done).finished
    folder.storage.remove("results/part-000000.parquet")

    with pytest.raises(JobError, match=r"no result of part 0, .* round 1 .*: remove rounds/001\.json, then"):
        standing(folder, done)

    # When
    folder.storage.remove("rounds/001.json")
    assert standing(folder, done).todo == {0}
    folder.write_result(0, [ok_row("a.jpg"), failed_row("b.jpg")])

    # Then: the next round is none of those that have results already.
    stand = standing(folder, done)
    assert (stand.finished, stand.ok, stand.failed) == (True, 2, 1)
    round_ = next_round(folder, Failures())
    assert round_ is not None
    assert (round_.round, round_.parts) == (2, {0: (1,)})


def test_after_the_last_round_that_a_job_can_have_it_says_so(folder: JobFolder, done: JobSpec) -> None:
    write_round(folder, 999, {"0": [1]})
    folder.write_result(0, [ok_row("a.jpg"), failed_row("b.jpg")], 999)
    assert standing(folder, done).finished

    with pytest.raises(JobError, match="has had 999 retry rounds, and no job has more"):
        next_round(folder, Failures())


# Rows that were kept. ----------------------------------------------------------------------------


def parquet(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    return buffer.getvalue().to_pybytes()


KEPT = pa.Table.from_pylist([row_to_record(ok_row("a.jpg"))], schema=RESULT_SCHEMA)
NO_STATUS = KEPT.set_column(KEPT.column_names.index("status"), RESULT_SCHEMA.field("status"), pa.array(["surprise"]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no parquet",
        parquet(KEPT)[:-20],
        parquet(pa.table({"id": [1]})),
        parquet(KEPT.drop_columns(["extra"])),
        parquet(NO_STATUS),
    ],
    ids=["empty", "text", "cut short", "foreign", "of another version", "of no status"],
)
def test_kept_rows_that_cannot_be_used_are_none(folder: JobFolder, content: bytes) -> None:
    folder.write_partial(0, [ok_row("a.jpg")])
    assert folder.read_partial(0) == [ok_row("a.jpg")]

    folder.storage.write("partial/part-000000.parquet", content)

    assert folder.read_partial(0) == []


# Watching. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [None, Hold.PAUSE])
def test_a_job_that_no_broker_knows_is_read_once_and_not_watched(
    folder: JobFolder, spec: JobSpec, hold: Hold | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hold is not None:
        folder.hold(hold)
    read: list[JobFolder] = []

    def counted(folder: JobFolder, spec: JobSpec) -> Standing:
        read.append(folder)
        return standing(folder, spec)

    monkeypatch.setattr(followed, "standing", counted)

    with pytest.raises(JobError, match=r"the broker does not know .* `askpix resume"):
        list(Job(folder, spec).watch(0))

    assert len(read) == 1


def test_a_cancelled_job_that_no_broker_knows_has_ended(folder: JobFolder, spec: JobSpec) -> None:
    folder.hold(Hold.CANCEL)

    assert [progress.state for progress in Job(folder, spec).watch(0)] == ["cancelled"]
