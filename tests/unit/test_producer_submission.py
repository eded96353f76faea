"""Writing a job: what Python callers may give, what is refused, and that nothing is left hanging."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from askpix.producer import Item, Options, Question, part_writer, submission
from askpix.producer.errors import AskpixError, InputError, JobError, StorageError
from askpix.producer.job import JobFolder
from askpix.producer.job_spec import JobSpec
from askpix.producer.records import input_schema
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job


class Storage(LocalStorage):
    """A local folder in which something happens before each write."""

    def __init__(self, root: Path, before: Callable[[str], None]) -> None:
        super().__init__(root)
        self._before = before

    def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
        self._before(name)
        super().write(name, data, settled=settled)


def submit(storage: LocalStorage | Path, items: Any, **options: Any) -> JobSpec:
    folder = JobFolder(LocalStorage(storage) if isinstance(storage, Path) else storage)
    values: dict[str, Any] = {"base": "/shop", "model": "m", "questions": None, "options": Options(), **options}
    return write_job(items, folder, **values)


def written(folder: Path, spec: JobSpec) -> list[Item]:
    return [item for part in range(spec.parts) for item in JobFolder(LocalStorage(folder)).read_input(part, spec.id)]


def writers() -> int:
    return sum(thread.name == "part-writer" and thread.is_alive() for thread in threading.enumerate())


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


# What happens in the middle. ---------------------------------------------------------------------


def test_the_first_part_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    def before(name: str) -> None:
        if "part-000003." in name:
            raise StorageError("the disk is full")

    endless = (f"{number}.jpg" for number in iter(int, 1))

    with pytest.raises(StorageError, match="the disk is full"):
        submit(Storage(tmp_path, before), endless, part_size=2)

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_the_last_part_that_cannot_be_written_ends_it_too(tmp_path: Path) -> None:
    def before(name: str) -> None:
        time.sleep(0.05)
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        submit(Storage(tmp_path, before), ["a"])

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_a_list_that_breaks_off_ends_it(tmp_path: Path) -> None:
    def items() -> Iterator[str]:
        yield from map(str, range(50))
        raise InputError("line 51: not JSON")

    with pytest.raises(AskpixError, match="line 51"):
        submit(tmp_path, items(), part_size=2)

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_few_parts_are_held_while_storage_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_BLOCK_ITEMS", 2)
    read = 0
    seen = []

    def before(name: str) -> None:
        time.sleep(0.002)
        seen.append(read)

    def items() -> Iterator[str]:
        nonlocal read
        for read in range(1, 401):
            yield f"{read}.jpg"

    submit(Storage(tmp_path, before), items(), part_size=2)

    ahead = [count - 2 * index for index, count in enumerate(sorted(seen))]
    assert len(seen) == 200
    assert max(ahead) <= 2 * (48 + 16 + 2)


def test_huge_parts_are_held_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writer, "_CHARACTERS", 10)
    at_once = [0, 0]

    def before(name: str) -> None:
        at_once[0] += 1
        at_once[1] = max(at_once)
        time.sleep(0.005)
        at_once[0] -= 1

    submit(Storage(tmp_path, before), (f"{number:09d}.jpg" for number in range(20)), part_size=2)

    assert at_once == [0, 1]


_SUBMITTING = """
import os
import threading
from pathlib import Path

from askpix.producer import Options, part_writer
from askpix.producer.job import JobFolder
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

part_writer._END_SECONDS = 0.1


class Hanging(LocalStorage):
    def write(self, name, data, *, settled=True):
        os.write(1, b"stuck\\n")
        threading.Event().wait()


images = (f"{{number}}.jpg" for number in range({count}))
folder = JobFolder(Hanging(Path("job")))
write_job(images, folder, base="/shop", model="m", questions=None, options=Options(), part_size=2)
"""


@pytest.mark.parametrize("count", [10_000, 1], ids=["while the list is read", "at the end"])
def test_ctrl_c_ends_it_even_where_a_write_hangs(tmp_path: Path, count: int) -> None:
    # Given: a storage that does not answer, in a process whose signals are no one else's.
    script = _SUBMITTING.format(count=count)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"

            # When
            process.send_signal(signal.SIGINT)

            # Then
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not (tmp_path / "job" / "job.json").exists()


def test_parts_are_settled_at_once_before_job_json_says_that_they_are_there(tmp_path: Path) -> None:
    done: list[str] = []

    class Noting(LocalStorage):
        def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
            super().write(name, data, settled=settled)
            done.append(f"{name[:5]} {settled}")

        def settle(self, folder: str) -> None:
            done.append(f"settle {folder}")
            super().settle(folder)

        def create(self, name: str, data: bytes) -> bool:
            done.append(name)
            return super().create(name, data)

    submit(Noting(tmp_path), map(str, range(6)), part_size=2)

    assert done == ["input False"] * 3 + ["settle input", "job.json"]


def test_job_json_is_there_only_when_all_parts_are(tmp_path: Path) -> None:
    def before(name: str) -> None:
        assert not (tmp_path / "job.json").exists()
        time.sleep(0.01)

    spec = submit(Storage(tmp_path, before), map(str, range(64)), part_size=2)

    assert len(list((tmp_path / "input").glob("part-*"))) == spec.parts == 32
    assert json.loads((tmp_path / "job.json").read_text())["items"] == 64


# Several at once. --------------------------------------------------------------------------------


def input_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "input").iterdir())


def own_names(spec: JobSpec) -> list[str]:
    return [f"part-{part:06d}.{spec.id}.parquet" for part in range(spec.parts)]


def submitted_together(folder: Path, *lists: list[str]) -> list[JobSpec | JobError]:
    """Returns what came of each of several submissions that all have written their parts before one ends."""
    together = threading.Barrier(len(lists))

    class Held(LocalStorage):
        def create(self, name: str, data: bytes) -> bool:
            together.wait(30)
            return super().create(name, data)

    def one(items: list[str]) -> JobSpec | JobError:
        try:
            return submit(Held(folder), items, part_size=2)
        except JobError as error:
            return error

    with ThreadPoolExecutor(len(lists)) as pool:
        return list(pool.map(one, lists))


def test_of_equal_jobs_that_are_submitted_at_once_one_is_made_and_all_have_it(tmp_path: Path) -> None:
    items = [f"{number}.jpg" for number in range(9)]

    came = submitted_together(tmp_path, *[items] * 8)

    first = came[0]
    assert isinstance(first, JobSpec)
    assert came == [first] * 8
    assert [item.id for item in written(tmp_path, first)] == items
    assert input_names(tmp_path) == own_names(first)


def test_of_different_jobs_that_are_submitted_at_once_one_is_whole_and_the_others_are_told(tmp_path: Path) -> None:
    # Given: lists that begin alike, are of the same length or longer, and differ in their order.
    lists = [["a", "b", "c"], ["a", "b", "d"], ["a", "b", "c", "d", "e"], ["c", "b", "a"]]

    came = submitted_together(tmp_path, *lists)

    made = [(spec, items) for spec, items in zip(came, lists, strict=True) if isinstance(spec, JobSpec)]
    ((spec, items),) = made
    assert all("holds another job" in str(error) for error in came if isinstance(error, JobError))
    assert [item.id for item in written(tmp_path, spec)] == items
    assert input_names(tmp_path) == own_names(spec)


@pytest.mark.parametrize("again", [["a", "b", "c", "d"], ["x"]], ids=["the same list", "another list"])
def test_what_a_killed_submission_left_is_not_in_the_way_and_is_removed(tmp_path: Path, again: list[str]) -> None:
    # Given: a submission that ends when its list is read half.
    def killed() -> Iterator[str]:
        yield from ["a", "b"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit(tmp_path, killed(), part_size=1)
    (tmp_path / "input").mkdir(exist_ok=True)
    (tmp_path / "input" / f"part-000000.{'0' * 32}.parquet").write_bytes(b"of another")
    (tmp_path / "input" / "notes.txt").write_bytes(b"of nobody's")

    spec = submit(tmp_path, again, part_size=1)

    assert [item.id for item in written(tmp_path, spec)] == again
    assert input_names(tmp_path) == ["notes.txt", *own_names(spec)]


def test_a_submission_that_is_overtaken_while_its_list_is_read_carries_on_with_the_first(tmp_path: Path) -> None:
    first: list[JobSpec] = []

    def slow() -> Iterator[str]:
        yield "a"
        first.append(submit(tmp_path, ["a", "b"], part_size=1))
        yield "b"

    assert submit(tmp_path, slow(), part_size=1) == first[0]
    assert input_names(tmp_path) == own_names(first[0])


def test_what_cannot_be_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: LocalStorage, name: str) -> None:
        raise StorageError("access is denied")

    (tmp_path / "input").mkdir()
    (tmp_path / "input" / f"part-000000.{'0' * 32}.parquet").touch()
    monkeypatch.setattr(LocalStorage, "remove", denied)

    assert [item.id for item in written(tmp_path, submit(tmp_path, ["a"]))] == ["a"]
