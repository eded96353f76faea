"""Result files whose bytes are no text, or are of other types: each export says so in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.jobs import answered, job_of, said

from askpix.producer.errors import JobError
from askpix.producer.export import Wishes, export
from askpix.producer.job_folder import JobFolder
from askpix.producer.records import RESULT_SCHEMA, row_to_record
from askpix.producer.results import Results

MARK = "MARKED"
ROW = answered("a", said("q", "x"))
RECORD = row_to_record(ROW)

DAMAGED: dict[str, dict[str, Any]] = {
    "id": {"id": MARK},
    "group": {"group": MARK},
    "image": {"image": MARK},
    "extra": {"extra": MARK},
    "answer": {"answers": [{**RECORD["answers"][0], "text": MARK}]},
    "name": {"answers": [{**RECORD["answers"][0], "name": MARK}]},
}


@pytest.fixture(params=DAMAGED)
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> JobFolder:
    """A job whose result file has bytes in a column that are no UTF-8."""
    made = job_of(tmp_path / "job", [ROW])
    path = Path(made.uri, "results", "part-000000.parquet")
    table = pa.Table.from_pylist([{**RECORD, **DAMAGED[request.param]}], schema=RESULT_SCHEMA)
    pq.write_table(table, path, compression="none", write_statistics=False)
    path.write_bytes(path.read_bytes().replace(MARK.encode(), b"\xff\xfe\x80\xff\xff\xff"))
    return made


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("o.csv", Wishes()),
        ("o.jsonl", Wishes()),
        ("o.parquet", Wishes()),
        ("o.csv", Wishes(form="wide")),
        ("o.csv", Wishes(groups=True)),
        ("texts/", Wishes()),
    ],
)
def test_text_that_is_no_utf8_is_told_as_damage(damaged: JobFolder, tmp_path: Path, name: str, wishes: Wishes) -> None:
    with pytest.raises(JobError, match=r"part-000000\.parquet is damaged \(.*Invalid UTF8"):
        export(damaged, f"{tmp_path}/{name}", wishes=wishes)


READS: dict[str, Callable[[Results], Iterable[object]]] = {
    "id": Results.ids,
    "group": Results.groups,
    "extra": Results.extras,
    "status": Results.lines,
    "image": Results.tables,
}


@pytest.mark.parametrize("column", READS)
@pytest.mark.parametrize(("value", "kind"), [(7, pa.int64()), (1 << 62, pa.timestamp("ms"))], ids=["number", "time"])
def test_a_column_of_another_type_is_told(tmp_path: Path, column: str, value: int, kind: pa.DataType) -> None:
    made = job_of(tmp_path / "job", [ROW])
    table = pa.Table.from_pylist([RECORD], schema=RESULT_SCHEMA)
    place = table.column_names.index(column)
    pq.write_table(
        table.set_column(place, column, pa.array([value], kind)),
        Path(made.uri, "results", "part-000000.parquet"),
    )

    with pytest.raises(JobError, match="part"):
        list(READS[column](Results.of(made)))
