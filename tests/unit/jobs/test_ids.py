"""Each item of a job has an id of its own: the caller's, or one made from the image reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from askpix.producer import Item
from askpix.producer.errors import InputError
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job


def written(folder: Path, items: Sequence[Item | str], part_size: int = 2) -> list[Item]:
    """Returns the items of a job as its folder holds them."""
    job = JobFolder(LocalStorage(folder))
    spec = write_job(items, job, Order(model="m", part_size=part_size), base="/shop")
    return [item for part in range(spec.parts) for item in job.read_input(part, spec.id)]


def ids(folder: Path, items: Sequence[Item | str]) -> list[str | None]:
    return [item.id for item in written(folder, items, part_size=max(2, len(items) // 3))]


def test_without_an_id_an_item_is_known_by_its_reference_as_it_was_given(tmp_path: Path) -> None:
    items = written(tmp_path, ["a.jpg", "http://shop/b.jpg"])

    assert [item.id for item in items] == ["a.jpg", "http://shop/b.jpg"]
    assert [item.image for item in items] == ["/shop/a.jpg", "http://shop/b.jpg"]


def test_repeats_are_numbered_also_across_parts(tmp_path: Path) -> None:
    assert ids(tmp_path, ["a", "b", "a", "a", "b"]) == ["a", "b", "a#2", "a#3", "b#2"]


def test_a_reference_that_looks_like_a_repeat_does_not_collide(tmp_path: Path) -> None:
    made = ids(tmp_path, ["a#2", "a", "a", "a#2", "a"])

    assert len(set(made)) == 5
    assert made[:3] == ["a#2", "a", "a#3"]


def test_given_ids_are_kept_and_made_ones_step_aside(tmp_path: Path) -> None:
    assert ids(tmp_path, [Item(image="x", id="a"), "a", Item(image="a")]) == ["a", "a#2", "a#3"]


def test_given_ids_that_come_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'one' comes twice"):
        ids(tmp_path, [Item(image="a", id="one"), Item(image="b"), Item(image="c", id="one")])

    assert not (tmp_path / "job.json").exists()


@pytest.mark.parametrize("scheme", ["data", "DATA"])
def test_a_data_uri_is_known_by_a_digest(scheme: str, tmp_path: Path) -> None:
    long = f"{scheme}:image/png;base64," + "A" * 10_000

    first, second, third = ids(tmp_path, [long, long, long[:-4]])

    assert first is not None
    assert len(first) < 40
    assert second == f"{first}#2"
    assert third not in (first, second)


def test_many_repeats_take_no_longer_each(tmp_path: Path) -> None:
    made = ids(tmp_path, ["a.jpg"] * 5_000)

    assert made[-1] == "a.jpg#5000"
    assert len(set(made)) == 5_000
