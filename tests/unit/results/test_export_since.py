"""What has changed since an earlier job."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.jobs import answered, chosen, job_of, said
from helpers.rows import failed_row

from askpix.producer import Question, Row
from askpix.producer.errors import InputError
from askpix.producer.export import Exported, Wishes, export
from askpix.producer.export.since import changes
from askpix.producer.job_folder import JobFolder
from askpix.producer.results import Results

COLOR = Question("what color?", name="color", choices=["red", "blue"])

BEFORE = [
    answered("same", said("q", "x")),
    answered("surer", said("q", "x", 0.2)),
    answered("other", said("q", "x")),
    answered("more", said("q", "x")),
    failed_row("mended"),
    failed_row("still"),
    answered("gone", said("q", "x")),
]
NOW = [
    answered("new", said("q", "x")),
    replace(BEFORE[0], extra='{"price": 3}', image="elsewhere.jpg"),
    answered("surer", said("q", "x", 0.9)),
    answered("other", said("q", "y")),
    answered("more", said("q", "x"), said("r", "x")),
    answered("mended", said("q", "x")),
    failed_row("still", "http_504"),
]
CHANGED = ["new", "other", "more", "mended"]


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[JobFolder, JobFolder]:
    """An earlier job, and a later one."""
    return job_of(tmp_path / "before", BEFORE, part_size=3), job_of(tmp_path / "now", NOW, part_size=2)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("o.csv", "wide"),
        ("o.jsonl", "wide"),
        ("o.parquet", "wide"),
        ("o.csv", None),
        ("o.jsonl", None),
        ("o.parquet", None),
    ],
)
def test_only_what_has_changed_is_exported(
    jobs: tuple[JobFolder, JobFolder], tmp_path: Path, name: str, form: str | None
) -> None:
    before, now = jobs

    exported = export(now, str(tmp_path / name), wishes=Wishes(form=form, since=before))

    assert exported == Exported(items=4, of=7, notes=("1 new, 3 changed; 3 as before left out", "1 of before is gone"))
    if name.endswith(".parquet"):
        found = pq.read_table(tmp_path / name)["id"].to_pylist()
    elif name.endswith(".jsonl"):
        found = [json.loads(line)["id"] for line in (tmp_path / name).read_text().splitlines()]
    else:
        found = list(dict.fromkeys(line.split(",")[0] for line in (tmp_path / name).read_text().splitlines()[1:]))
    assert found == CHANGED


def test_only_files_of_what_has_changed_are_written(jobs: tuple[JobFolder, JobFolder], tmp_path: Path) -> None:
    before, now = jobs

    export(now, f"{tmp_path}/texts/", wishes=Wishes(since=before))

    assert sorted(path.stem for path in (tmp_path / "texts").iterdir()) == sorted(CHANGED)


def test_a_job_that_says_the_same_is_an_empty_table(jobs: tuple[JobFolder, JobFolder], tmp_path: Path) -> None:
    before, _ = jobs

    exported = export(before, str(tmp_path / "out.csv"), wishes=Wishes(form="wide", since=before))

    assert (exported.items, exported.notes) == (0, ("0 new, 0 changed; 7 as before left out",))
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1


def test_groups_are_compared_as_groups(tmp_path: Path) -> None:
    def product(name: str, red: float) -> Row:
        return answered(name, chosen("color", red=red, blue=1 - red), group=name[0])

    # Given: of one, the image that was surest has changed, and not what is said of all; of another, what is said.
    before = job_of(tmp_path / "before", [product("a1", 0.9), product("a2", 0.8), product("b1", 0.6)], [COLOR])
    now = job_of(tmp_path / "now", [product("a1", 0.4), product("a2", 0.8), product("b1", 0.3)], [COLOR])

    exported = export(now, str(tmp_path / "out.csv"), wishes=Wishes(groups=True, since=before))

    assert exported.notes == ("0 new, 1 changed; 1 as before left out",)
    assert [line[0] for line in (tmp_path / "out.csv").read_text().splitlines()] == ["g", "b"]


def test_an_item_is_no_group_of_its_name(tmp_path: Path) -> None:
    alone = job_of(tmp_path / "alone", [answered("a", said("q", "x"))])
    group = job_of(tmp_path / "group", [answered("1", said("q", "x"), group="a")])

    assert export(group, str(tmp_path / "out.csv"), wishes=Wishes(groups=True, since=alone)).items == 1


def test_a_merge_gives_all_back(jobs: tuple[JobFolder, JobFolder], tmp_path: Path) -> None:
    before, now = jobs
    (tmp_path / "list.csv").write_text("image\na.jpg\n")

    with pytest.raises(InputError, match="leave out --since"):
        export(now, str(tmp_path / "o.csv"), wishes=Wishes(merge=str(tmp_path / "list.csv"), since=before))


def test_many_lines_are_compared_by_their_digests(tmp_path: Path) -> None:
    lines = list(Results.of(job_of(tmp_path / "job", [answered("a", said("q", "x"))])).lines())
    many = [lines[0]._replace(id=str(number)) for number in range(20_000)]

    found = changes(many, [line if number % 3 else line._replace(status="error") for number, line in enumerate(many)])

    assert (found.new, found.changed, found.gone, found.same) == (0, 6_667, 0, 13_333)
