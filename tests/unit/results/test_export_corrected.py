"""Corrections that an export has no row or column for: it tells that there are some."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest
from helpers.jobs import answered, job_of, said
from helpers.rows import failed_row
from helpers.wide import COLOR, WIDE, cells, table

from askpix.cli.main import main
from askpix.producer import Question
from askpix.producer.corrections import Correction, keep_corrections
from askpix.producer.export import Wishes, columns, export, export_lines
from askpix.producer.job_folder import JobFolder

ELSEWHERE = "--form wide, without --groups or --since, has those of all items with a result"


def corrected(folder: JobFolder, *given: tuple[str, str]) -> JobFolder:
    keep_corrections(folder, [Correction(id=identity, attribute="color", text=text) for identity, text in given])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Three items, of which the last failed."""
    rows = [answered("a", said("color", "red")), answered("b", said("color", "red")), failed_row("c")]
    return job_of(tmp_path / "job", rows, [COLOR])


def test_what_was_never_asked_with_success_has_a_column_where_it_was_corrected(tmp_path: Path) -> None:
    rows = [answered("a", said("color", "red")), failed_row("b")]
    made = job_of(tmp_path / "job", rows, [COLOR], b=(Question("what shade?", name="shade"),))
    keep_corrections(made, [Correction(id="b", attribute="shade", text="pale")])

    head, *lines = cells(made)

    assert head[4:9] == ["color", "color_confidence", "shade", "shade_confidence", "shade_corrected"]
    assert [line[8] for line in lines] == ["", "pale"]
    assert export(made, str(tmp_path / "told.csv"), wishes=WIDE).notes == ()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl", "texts/"])
def test_forms_without_corrections_tell_that_there_are_some(folder: JobFolder, tmp_path: Path, name: str) -> None:
    assert export(folder, f"{tmp_path}/before-{name}").notes == ()
    corrected(folder, ("b", "blue"), ("c", "blue"))

    exported = export(folder, f"{tmp_path}/{name}")

    assert exported.notes == (f"2 corrections not in it, such as 'color' of 'b': {ELSEWHERE}",)


def test_lines_on_standard_output_tell_it_too(folder: JobFolder, tmp_path: Path) -> None:
    corrected(folder, ("b", "blue"))

    with (tmp_path / "out").open("wb") as file:
        assert export_lines(folder, file).notes == (f"1 correction not in it, such as 'color' of 'b': {ELSEWHERE}",)


def test_a_form_that_leaves_failed_items_out_tells_of_their_corrections(folder: JobFolder, tmp_path: Path) -> None:
    corrected(folder, ("b", "blue"), ("c", "blue"))

    exported = export(folder, f"{tmp_path}/out/", wishes=Wishes(form="json"))

    assert exported.notes == (f"1 correction not in it, such as 'color' of 'c': {ELSEWHERE}",)


def test_items_without_a_result_yet_are_told_of(folder: JobFolder, tmp_path: Path) -> None:
    corrected(folder, ("b", "blue"), ("c", "blue"))
    (path,) = Path(folder.uri, "results").glob("part-*1.parquet")
    path.unlink()

    exported = export(folder, str(tmp_path / "out.csv"), wishes=WIDE)

    assert exported.notes == (f"1 correction not in it, such as 'color' of 'c': {ELSEWHERE}",)


def test_what_says_the_same_as_an_earlier_job_is_left_out_with_its_corrections(
    folder: JobFolder, tmp_path: Path
) -> None:
    corrected(folder, ("b", "blue"))

    exported = export(folder, str(tmp_path / "out.csv"), wishes=Wishes(form="wide", since=folder))

    assert exported.notes[1:] == (f"1 correction not in it, such as 'color' of 'b': {ELSEWHERE}",)


def test_images_of_a_group_of_which_people_say_different_things_are_told_of(tmp_path: Path) -> None:
    rows = [answered(name, said("color", "red"), group=group) for name, group in zip("abcd", "ppqq", strict=True)]
    made = job_of(tmp_path / "job", rows, [COLOR])
    corrected(made, ("a", "blue"), ("b", "red"), ("c", "blue"), ("d", "blue"))

    exported = export(made, str(tmp_path / "out.csv"), wishes=Wishes(groups=True))

    assert exported.notes == (f"2 corrections not in it, such as 'color' of 'a': {ELSEWHERE}",)
    assert table(made, Wishes(groups=True))["color_corrected"].to_pylist() == [None, "blue"]
    assert export(made, str(tmp_path / "whole.csv"), wishes=WIDE).notes == ()


def test_a_merge_has_corrections_and_tells_of_those_it_lacks(folder: JobFolder, tmp_path: Path) -> None:
    corrected(folder, ("b", "blue"), ("elsewhere", "blue"))
    (tmp_path / "list.csv").write_text("id,image\na,a.jpg\nb,b.jpg\nc,c.jpg\n")

    exported = export(folder, str(tmp_path / "out.csv"), wishes=Wishes(merge=str(tmp_path / "list.csv")))

    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["color_corrected"] for row in csv.DictReader(file)] == ["", "blue", ""]
    assert exported.notes == (f"1 correction not in it, such as 'color' of 'elsewhere': {ELSEWHERE}",)


def test_a_merge_tells_of_those_of_items_that_the_list_lacks(folder: JobFolder, tmp_path: Path) -> None:
    corrected(folder, ("a", "green"), ("b", "blue"))
    (tmp_path / "list.csv").write_text("id,image\na,a.jpg\n")

    exported = export(folder, str(tmp_path / "out.csv"), wishes=Wishes(merge=str(tmp_path / "list.csv")))

    assert exported.notes[-1] == f"1 correction not in it, such as 'color' of 'b': {ELSEWHERE}"


def test_what_people_say_of_items_that_are_not_there_makes_no_columns(folder: JobFolder, tmp_path: Path) -> None:
    head, *_ = cells(folder)
    strange = [Correction(id="elsewhere", attribute=f"name {number}", text="x") for number in range(100)]
    keep_corrections(folder, strange)

    assert cells(folder)[0] == head
    (note,) = export(folder, str(tmp_path / "told.csv"), wishes=WIDE).notes
    assert note.startswith("100 corrections not in it, such as 'name 0' of 'elsewhere'")


def test_corrected_attributes_make_no_more_columns_than_a_table_takes(
    folder: JobFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MAX_COLUMNS", 20)
    keep_corrections(folder, [Correction(id="b", attribute=f"name {number}", text="x") for number in range(100)])

    # Two of the question that was asked, and three each of six others.
    assert len([name for name in cells(folder)[0] if name.endswith("_corrected")]) == 6
    (note,) = export(folder, str(tmp_path / "told.csv"), wishes=WIDE).notes
    assert note.startswith("94 corrections not in it")


def test_the_command_says_it(
    folder: JobFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corrected(folder, ("b", "blue"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["askpix", "export", "job", "--to", "out.csv"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert not caught.value.code
    assert capsys.readouterr().err == (
        f"out.csv: 3 items; 1 correction not in it, such as 'color' of 'b': {ELSEWHERE}\n"
    )
