"""Writing a job: what Python callers may give, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.submitting import submit, written

from askpix.producer import Item, Question, submission
from askpix.producer.errors import InputError, JobError
from askpix.producer.records import input_schema

# What is written. --------------------------------------------------------------------------------


def test_items_come_from_any_iterable_and_are_read_once(tmp_path: Path) -> None:
    def items() -> Iterator[Item | str]:
        yield "a.jpg"
        yield Item(image="b.jpg", id="é", group="g", questions=(Question("q"),), extra={"x": [1, None], "ü": "ö"})

    spec = submit(tmp_path, items())

    assert written(tmp_path, spec) == [
        Item(image="/shop/a.jpg", id="a.jpg"),
        Item(image="/shop/b.jpg", id="é", group="g", questions=(Question("q"),), extra={"x": [1, None], "ü": "ö"}),
    ]


def test_an_input_file_is_called_after_its_job_and_has_the_same_columns_whatever_is_in_it(tmp_path: Path) -> None:
    spec = submit(tmp_path, ["a", Item(image="b", extra={"x": 1})], part_size=1)

    for part in range(2):
        assert pq.read_schema(tmp_path / "input" / f"part-{part:06d}.{spec.id}.parquet").equals(input_schema(()))


def test_device_and_notification_are_in_the_job_and_not_in_what_makes_it_the_same(tmp_path: Path) -> None:
    first = submit(tmp_path / "1", ["a"], device="cpu", notify="shop.done@urgent")

    assert (first.device, first.notify) == ("cpu", "shop.done@urgent")
    assert submit(tmp_path / "1", ["a"], device="gpu") == first
    assert submit(tmp_path / "2", ["a"]).fingerprint == first.fingerprint


@pytest.mark.parametrize("part_size", [1, 3, 16, 100])
def test_parts_do_not_depend_on_how_many_items_are_completed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_size: int
) -> None:
    items = [f"{number % 40}.jpg" for number in range(100)]
    whole = submit(tmp_path / "whole", items, part_size=part_size)
    monkeypatch.setattr(submission, "_BLOCK_ITEMS", 10)
    monkeypatch.setattr(submission, "_BLOCK_CHARACTERS", 30)

    pieces = submit(tmp_path / "pieces", items, part_size=part_size)

    assert pieces.fingerprint == whole.fingerprint
    assert (pieces.items, pieces.parts) == (100, -(-100 // part_size))
    assert written(tmp_path / "pieces", pieces) == written(tmp_path / "whole", whole)


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    extra = {"a": float("nan"), "b": [float("inf"), (1.5, {"c": float("-inf")})]}

    spec = submit(tmp_path, [Item(image="a", extra=extra)])

    assert written(tmp_path, spec)[0].extra == {"a": None, "b": [None, [1.5, {"c": None}]]}


def test_a_job_submitted_again_is_only_read(tmp_path: Path) -> None:
    first = submit(tmp_path, ["a", "b"])
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    assert submit(tmp_path, iter(["a", "b"])) == first
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


# What is refused. --------------------------------------------------------------------------------

HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Item(image="\ud800.jpg"), "image holds half of a surrogate pair"),
        (Item(image="a", id="\udfff"), "id holds half of a surrogate pair"),
        (Item(image="a", group="\ud800"), "group holds half"),
        (Item(image="a", extra={"x": ["\ud800"]}), "'a': its extra holds half"),
        (Item(image="a", extra={"\ud800": 1}), "'a': its extra holds half"),
        (Item(image="a\0.jpg"), "image holds NUL"),
        (Item(image="a", id="\0"), "id holds NUL"),
        (Item(image="a", group="\0"), "group holds NUL"),
        (Item(image=None), "image must be a text, not None"),  # type: ignore[arg-type]
        (Item(image=Path("a")), "image must be a text"),  # type: ignore[arg-type]
        (Item(image="a", id=7), "id must be a text, not 7"),  # type: ignore[arg-type]
        (Item(image="a", id=0), "id must be a text, not 0"),  # type: ignore[arg-type]
        (Item(image="a", group=1.5), "group must be a text"),  # type: ignore[arg-type]
        (Item(image="a", questions=("what?",)), "questions must be"),  # type: ignore[arg-type]
        (Item(image="a", extra={"price": Decimal(1)}), "'a': the column 'price'"),
        (Item(image="a", extra={"raw": b"x"}), "'a': the column 'raw'"),
        (Item(image="a", extra={"x": {(1, 2): 3}}), "'a': the column 'x'"),
        (Item(image="a", extra={"x": HOLDS_ITSELF}), "'a': the column 'x'"),
        (7, "an item is an Item or the reference of an image, not 7"),
        (Path("a.jpg"), "an item is an Item"),
    ],
    ids=repr,
)
def test_what_is_no_item_is_named(tmp_path: Path, item: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        submit(tmp_path, ["first.jpg", item, "last.jpg"])

    assert words in str(caught.value)
    str(caught.value).encode()
    assert not (tmp_path / "job.json").exists()


def test_a_reference_that_leaves_its_bucket_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the item 'x': the image '\.\./a\.jpg' leaves the bucket shop"):
        submit(tmp_path, [Item(image="../a.jpg", id="x")], base="s3://shop")


@pytest.mark.parametrize("part_size", [0, -1, 100_001])
def test_parts_are_not_empty_and_not_huge(tmp_path: Path, part_size: int) -> None:
    with pytest.raises(JobError, match="a part holds"):
        submit(tmp_path, ["a"], part_size=part_size)


@pytest.mark.parametrize("max_queued", [0, -1, 100_001])
def test_a_window_is_not_empty_and_not_huge(tmp_path: Path, max_queued: int) -> None:
    with pytest.raises(JobError, match="parts of a job can wait at a time, not"):
        submit(tmp_path, ["a"], max_queued=max_queued)


def test_a_job_of_too_many_parts_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_MAX_PARTS", 3)

    assert submit(tmp_path / "3", map(str, range(6)), part_size=2).parts == 3
    with pytest.raises(JobError, match="at most 3 parts: give it larger ones"):
        submit(tmp_path / "4", map(str, range(7)), part_size=2)


NAMES = [
    (["a", "b", "a"], "'a' is there twice, first in question 1: leave one out, or rename it"),
    (["a", "A"], "'A' is there twice, first in question 1"),
    ([None, "what 0?"], r"'what 0\?' is there twice, first in question 1"),
    (["Status"], "results have a column status of their own: call it otherwise"),
    (["kind", "kind_confidence"], r"is also a column of 'kind' \(question 1\) in tables: rename"),
]


@pytest.mark.parametrize(("names", "words"), NAMES, ids=lambda value: str(value)[:40])
def test_names_that_cannot_be_columns_are_refused_before_anything_is_written(
    tmp_path: Path, names: list[str | None], words: str
) -> None:
    questions = tuple(Question(f"what {number}?", name=name) for number, name in enumerate(names))

    with pytest.raises(InputError, match=words):
        submit(tmp_path / "job", ["a.jpg"], questions=questions)
    assert not (tmp_path / "job").exists()


def test_a_job_from_before_names_counted_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = (Question("what?", name="status"), Question("which?", name="status"))
    with monkeypatch.context() as before:
        before.setattr(submission, "check_names", lambda _: None)
        spec = submit(tmp_path / "job", ["a.jpg"], questions=questions)

    assert submit(tmp_path / "job", ["a.jpg"], questions=questions) == spec


def test_a_condition_that_can_never_be_so_is_refused(tmp_path: Path) -> None:
    kind = Question("what is it?", name="kind", choices=("mug", "shirt"), map={"mug": "cup"})

    with pytest.raises(InputError, match="depends on 'kind' being 'mug', which it never is: it can be cup, shirt"):
        submit(tmp_path, ["a.jpg"], questions=(kind, Question("how long?", when={"kind": "mug"})))
