"""Wide tables with a row a product, whose pictures decide together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.jobs import answered, chosen, job_of
from helpers.rows import failed_row
from helpers.wide import COLOR, cells, table

from askpix.producer import Question
from askpix.producer.corrections import Correction, keep_corrections
from askpix.producer.errors import InputError
from askpix.producer.export import Wishes, export


def test_a_group_is_a_row(tmp_path: Path) -> None:
    rows = [
        answered("1", chosen("color", red=0.6, blue=0.4), group="p", extra={"price": 3, "view": "front"}),
        failed_row("2"),
        answered("3", chosen("color", red=0.9, blue=0.1)),
        answered("4", chosen("color", red=0.1, blue=0.9), group="p", extra={"price": 3, "view": "back"}),
        failed_row("5"),
    ]
    rows[1] = replace(rows[1], group="p")
    rows[4] = replace(rows[4], group="q")
    folder = job_of(tmp_path / "job", rows, [COLOR])
    keep_corrections(folder, [Correction(id=n, attribute="color", text="red") for n in ("1", "4")])

    head, *lines = cells(folder, wishes=Wishes(groups=True))

    assert head == [
        "group", "images", "images_failed", "id", "image", "status",
        "color", "color_confidence", "color_corrected", "error_code", "error_message", "price", "view",
    ]  # fmt: skip
    assert lines == [
        ["", "1", "0", "3", "3.jpg", "ok", "red", "0.9000", "", "", "", "", ""],
        ["p", "3", "1", "", "1.jpg", "ok", "blue", "0.6500", "red", "", "", "", ""],
        ["q", "1", "1", "", "5", "error", "", "", "", "http_503", "http_503", "", ""],
    ]
    assert [str(kind) for kind in table(folder, Wishes(groups=True)).schema.types[1:3]] == ["int64", "int64"]


def test_a_groups_own_columns_are_those_that_its_images_share(tmp_path: Path) -> None:
    rows = [
        answered("a", group="p", extra={"price": 3, "view": 1, "one": 1, "some": "x"}),
        answered("b", group="p", extra={"price": 3, "view": 2, "one": True}),
    ]

    head, line = cells(job_of(tmp_path / "job", rows), wishes=Wishes(groups=True))

    assert dict(zip(head[-4:], line[-4:], strict=True)) == {"price": "3", "view": "", "one": "", "some": ""}


def test_rows_with_questions_of_their_own_are_put_together_by_these(tmp_path: Path) -> None:
    own = (Question("what color?", name="color", choices=["red", "blue"], below=0.9, then="unsure"),)
    rows = [answered(str(n), chosen("color", red=0.6, blue=0.4), group="p") for n in range(2)]

    _, line = cells(job_of(tmp_path / "job", rows, **{"0": own, "1": own}), wishes=Wishes(groups=True))

    assert line[6] == "unsure"


@pytest.mark.parametrize(
    ("name", "form"),
    [("out.csv", "rows"), ("out.jsonl", "rows"), ("out/", None), ("out.csv", "answers")],
)
def test_groups_need_a_wide_table(tmp_path: Path, name: str, form: str | None) -> None:
    with pytest.raises(InputError, match="--groups needs a wide table"):
        export(job_of(tmp_path / "job", [answered("a")]), f"{tmp_path}/{name}", wishes=Wishes(form=form, groups=True))
