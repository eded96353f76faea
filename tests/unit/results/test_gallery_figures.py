"""Figures of a gallery that are easily wrong: certainty, names that begin alike, speed after a retry, shared images."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.galleries import Maker, write_job
from helpers.gallery_files import GalleryFiles, column
from helpers.rows import failed_row, ok_row

from askpix.producer import Answer, Kind, Row
from askpix.producer.errors import JobError
from askpix.producer.report.gallery import write_gallery


def answer(text: str, *, name: str = "q", confidence: float = 0.5, kind: Kind = Kind.OPEN) -> Answer:
    return Answer(name=name, question=name, kind=kind, text=text, confidence=confidence, tokens=2)


def row(identity: str, *answers: Answer) -> Row:
    return replace(ok_row(identity), answers=answers)


def written(folder: Path, *rows: Row) -> GalleryFiles:
    path = folder / "out.html"
    write_gallery(write_job(folder / "job", rows, items=len(rows)), str(path))
    return GalleryFiles(path)


def test_a_text_that_surely_does_not_fit_is_as_certain_as_one_that_does(tmp_path: Path) -> None:
    match = answer("no", name="fits", confidence=0.00002, kind=Kind.MATCH)

    made = written(tmp_path, row("a", match, answer("a mug", name="caption", confidence=0.9)))

    assert column(made.index["confidence"], "H") == [9_000]
    # And the number itself is told, though it is next to nothing.
    assert made.details[0]["answers"][0]["confidence"] == 0.0


def test_questions_that_begin_alike_are_questions_of_their_own(tmp_path: Path) -> None:
    names = [f"{'You look at pictures of a shop. ' * 20}What is its {what}?" for what in ("kind", "color")]

    made = written(tmp_path, row("a", *(answer(name[-7:], name=name) for name in names)))

    shown = [attribute["name"] for attribute in made.index["attributes"]]
    assert [name[-12:] for name in shown] == [name[-12:] for name in names]
    assert max(map(len, shown)) <= 201
    assert [one for one in made.cards("answers")[0] if isinstance(one, int)] == [0, 1]


@pytest.mark.parametrize("at", range(225, 250))
def test_a_word_at_the_end_of_what_a_card_shows_is_found(tmp_path: Path, at: int) -> None:
    text = f"{'x' * (at - 1)} zebra {'y' * 300}"

    made = written(tmp_path, row("a", answer(text)))

    said = f"{made.cards('answers')[0][1]}\n{made.cards('more')[0]}"
    assert "zebra" in said


def test_an_error_code_is_found(tmp_path: Path) -> None:
    made = written(tmp_path, failed_row("a", "http_418"))

    assert "http_418" in made.cards("more")[0]


def test_a_retry_does_not_change_how_fast_a_job_was(tmp_path: Path) -> None:
    # Given: three parts in 20 seconds, of which one was done again a day later.
    job = write_job(tmp_path / "job", [ok_row(str(number)) for number in range(8)], items=8, part_size=3)
    job.folder.write_result(1, [ok_row(str(number)) for number in range(3, 6)], 1)
    results = tmp_path / "job" / "results"
    for name, at in (("part-000000", 0), ("part-000001", 10), ("part-000002", 20), ("part-000001.r001", 86_400)):
        os.utime(results / f"{name}.parquet", (1e9 + at, 1e9 + at))

    write_gallery(job, str(tmp_path / "out.html"))

    assert GalleryFiles(tmp_path / "out.html").index["timeline"] == [[0.0, 3], [10.0, 6], [20.0, 8]]


def test_an_image_that_one_address_has_lost_is_had_from_another(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"the same").hexdigest()
    rows = [replace(ok_row(name), sha256=digest, width=8, height=8) for name in ("/gone.jpg", "/there.jpg")]
    job = write_job(tmp_path / "job", rows, items=2)
    maker = Maker(gone="http_404")

    gallery = write_gallery(job, str(tmp_path / "out.html"), make=maker)

    assert (gallery.pictures, gallery.without.total()) == (1, 0)
    assert maker.asked == ["/gone.jpg", "/there.jpg"]


def test_columns_too_deep_to_be_shown_cost_their_item_nothing_else(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(900):
        deep = [deep]

    made = written(tmp_path, replace(ok_row("a"), extra=json.dumps({"deep": deep})))

    assert made.cards("ids") == ["a"]


def test_a_result_with_a_column_twice_is_damaged(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    path = tmp_path / "job" / "results" / "part-000000.parquet"
    table = pq.read_table(path)
    doubled = pa.Table.from_arrays([*table.columns, table["image"]], names=[*table.column_names, "image"])
    pq.write_table(doubled, path)

    with pytest.raises(JobError, match="is damaged"):
        write_gallery(job, str(tmp_path / "out.html"), make=Maker())
