"""Lists as Parquet: every type of column becomes JSON or is refused by name, and damage is said."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from askpix.producer import Item, Question
from askpix.producer.errors import InputError
from askpix.producer.inputs import Columns, Input
from askpix.producer.lists import parquet


def read(path: Path, table: pa.Table, **options: Any) -> list[Item]:
    """Returns the items of a list with that content."""
    pq.write_table(table, path, row_group_size=options.pop("row_group_size", None))
    return list(Input(str(path), **options))


def test_a_table_has_columns_for_what_askpix_knows_and_keeps_the_others(tmp_path: Path) -> None:
    rows = [
        {"URL": "a.jpg", "id": 7, "questions": ["what?", "how many?"], "price": 1.5, "tags": ["x", None], "n": 1},
        {"URL": "b.jpg", "id": None, "questions": None, "price": float("nan"), "tags": None, "n": None},
    ]

    items = read(tmp_path / "list.parquet", pa.Table.from_pylist(rows))

    assert items == [
        Item(
            image="a.jpg",
            id="7",
            questions=(Question("what?"), Question("how many?")),
            extra={"price": 1.5, "tags": ["x", None], "n": 1},
        ),
        Item(image="b.jpg", extra={"price": None, "tags": None, "n": None}),
    ]


def test_questions_may_be_objects_and_columns_may_be_named(tmp_path: Path) -> None:
    rows = [{"photo": "a.jpg", "ask": [{"text": "color?", "name": "color", "choices": ["red", "blue"]}]}]

    (item,) = read(tmp_path / "l.parquet", pa.Table.from_pylist(rows), columns=Columns(image="photo", question="ask"))

    assert item.questions == (Question("color?", name="color", choices=("red", "blue")),)


@pytest.mark.parametrize("images", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_images_may_be_text_of_any_kind(tmp_path: Path, images: pa.DataType) -> None:
    assert read(tmp_path / "list.parquet", pa.table({"image": pa.array(["a", "a", "b"], images)})) == [
        Item(image="a"), Item(image="a"), Item(image="b"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.timestamp("ns"), 1234567890123456789, "2009-02-13T23:31:30.123456789"),
        (pa.timestamp("ms"), datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000"),
        (pa.timestamp("us", tz="UTC"), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (pa.date32(), date(2026, 1, 2), "2026-01-02"),
        (pa.time64("us"), time(1, 2, 3, 4), "01:02:03.000004"),
        (pa.decimal128(38, 2), Decimal("123456789012345678901234567890.12"), "123456789012345678901234567890.12"),
        (pa.uint64(), 2**64 - 1, 2**64 - 1),
        (pa.float64(), float("inf"), None),
        (pa.float32(), 0.5, 0.5),
        (pa.bool_(), True, True),
        (pa.list_(pa.date32()), [date(2026, 1, 2), None], ["2026-01-02", None]),
        (pa.struct([("when", pa.date32()), ("n", pa.int8())]), {"when": None, "n": 1}, {"when": None, "n": 1}),
        (pa.map_(pa.string(), pa.decimal128(5, 2)), [("k", Decimal("1.50"))], [("k", "1.50")]),
        (pa.null(), None, None),
    ],
    ids=str,
)
def test_values_become_json_values(tmp_path: Path, kind: pa.DataType, value: object, expected: object) -> None:
    (item,) = read(tmp_path / "list.parquet", pa.table({"image": ["a"], "x": pa.array([value], kind)}))

    assert item.extra == {"x": expected}
    json.dumps(item.extra, allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.binary(), b"x"),
        (pa.list_(pa.large_binary()), [b"x"]),
        (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), {"bytes": b"x", "path": "a.jpg"}),
        (pa.duration("us"), timedelta(1)),
    ],
    ids=str,
)
@pytest.mark.parametrize(("name", "advice"), [("thumb", "leave the column out"), ("image", "paths or URLs")])
def test_what_json_cannot_hold_is_refused_by_name(
    tmp_path: Path, kind: pa.DataType, value: object, name: str, advice: str
) -> None:
    with pytest.raises(InputError, match=rf"list\.parquet: the column '{name}' holds .*{advice}"):
        read(tmp_path / "list.parquet", pa.table({"url": ["a"], name: pa.array([value], kind)}))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"image": pa.array([1, 2])}, "column 'image' holds int64"),
        ({"sku": ["a"]}, "has no column of images.*there are 'sku'"),
        ({"image": ["a", None]}, "row 2: there is no image"),
        ({"image": ["a", "b"], "id": [1.0, 2.5]}, "row 1: id must be"),
        ({"image": ["a"], "question": [["x"]]}, "row 1: a question is a text"),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path: Path, table: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path / "list.parquet", pa.table(table))


def test_rows_are_counted_over_all_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 7)
    images: list[str | None] = [f"{number}.jpg" for number in range(100)]
    assert [item.image for item in read(tmp_path / "a.parquet", pa.table({"url": images}), row_group_size=9)] == images

    images[80] = " "
    with pytest.raises(InputError, match="row 81: "):
        read(tmp_path / "b.parquet", pa.table({"url": images}), row_group_size=9)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + b"\0" * 20 + b"PAR1"])
def test_damage_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.parquet").write_bytes(content)

    with pytest.raises(InputError, match=r"list\.parquet is no Parquet file, or damaged") as caught:
        list(Input(str(tmp_path / "list.parquet")))
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_or_changed_inside_is_said(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"image": [f"{number}.jpg" for number in range(10_000)]}), path)
    whole = path.read_bytes()

    for content in (whole[:-100], whole[:20] + b"\xff" * 2000 + whole[2020:]):
        path.write_bytes(content)
        with pytest.raises(InputError):
            list(Input(str(path)))
