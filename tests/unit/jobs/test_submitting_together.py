"""Several who submit into one folder at once, or one after another: one job is there, and whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.submitting import submit, written

from askpix.producer.errors import JobError, StorageError
from askpix.producer.job_spec import JobSpec
from askpix.producer.storage import LocalStorage


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
