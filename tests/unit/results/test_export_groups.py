"""Groups that lie all over a list, and what is held of them."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers.jobs import answered, chosen, job_of, said
from helpers.rows import failed_row

from askpix.producer import Question, Row
from askpix.producer.export import Wishes, export
from askpix.producer.export.runs import Runs
from askpix.producer.export.views import Viewed

COLOR = Question("what color?", name="color", choices=["red", "blue"])
LOOK = Question("how does it look?", name="look")
CAREFUL = COLOR.model_copy(update={"below": 0.9, "then": "unsure"})


def exported(place: Path, rows: Sequence[Row], **asked: Any) -> list[list[str]]:
    folder = job_of(place, rows, [COLOR, LOOK], part_size=5, **asked)
    export(folder, f"{place}.csv", wishes=Wishes(groups=True))
    with Path(f"{place}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_groups_that_lie_all_over_a_list_come_out_as_if_they_lay_together(tmp_path: Path) -> None:
    # Given: three groups of four, with questions of a row's own, a failed row, and an item without a group.
    rows = [
        answered(
            str(n), chosen("color", red=n / 16, blue=1 - n / 16), said("look", f"text {n}", n / 20),
            extra={"shelf": n % 3, "n": n}, group=f"p{n % 3}",
        )
        for n in range(12)
    ]  # fmt: skip
    rows[4] = replace(failed_row("4"), group="p1")
    alone = answered("alone", chosen("color", red=0.3, blue=0.7))
    own = {"2": (CAREFUL,), "5": (CAREFUL,)}

    # When: they are exported in two orders.
    together = exported(tmp_path / "together", [*sorted(rows, key=lambda row: str(row.group)), alone], **own)
    scattered = exported(tmp_path / "scattered", [*rows[:6], alone, *rows[6:]], **own)

    # Then: each has the same row, where its last image stands.
    assert [line[0] for line in together] == ["p0", "p1", "p2", ""]
    assert [line[0] for line in scattered] == ["", "p0", "p1", "p2"]
    assert sorted(together) == sorted(scattered)
    assert [line[6] for line in together] == ["blue", "blue", "unsure", "blue"]
    assert together[1][1:3] == ["4", "1"]


def rows_of(groups: Sequence[str], size: int = 0) -> Iterator[Viewed]:
    for n, group in enumerate(groups):
        yield Viewed(str(n), group, f"{n}.jpg", "ok", None, None, str(n) * size, (), None)


def test_a_group_that_lies_together_is_told_before_the_next_is_read_further() -> None:
    # Given: a list in the order of its groups.
    groups = [f"p{n // 4}" for n in range(400)]
    read: list[str] = []

    def noted() -> Iterator[Viewed]:
        for row in rows_of(groups):
            read.append(row.id)
            yield row

    # When: it is gone through.
    with Runs(groups) as runs:
        ahead = [len(read) - 4 * place for place, _ in enumerate(runs.whole(noted()), 1)]

    # Then: one row of the next group is known, and no more.
    assert set(ahead) <= {0, 1}


def test_rows_of_groups_that_lie_apart_wait_in_a_file() -> None:
    # Given: 1,000 groups of two, each item of which has some 20 kB, in a list that has every first before any second.
    groups = [f"p{n % 1_000}" for n in range(2_000)]
    tracemalloc.start()

    # When: they are put together.
    with Runs(groups) as runs:
        found = [tuple(row.id for row in rows) for rows in runs.whole(rows_of(groups, 6_000))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Then: each group was whole, and of 20 MB, little was held.
    assert found == [(str(n), str(n + 1_000)) for n in range(1_000)]
    assert peak < 3_000_000
