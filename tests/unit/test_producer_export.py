"""Results as one file: whole or not there, for people's spreadsheets and for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askpix.producer import Answer, Kind, Row, Status
from askpix.producer.errors import InputError, JobError, StorageError
from askpix.producer.export import export


def row(identity: str = "a", *, text: str = "a mug", extra: dict[str, Any] | None = None, **values: Any) -> Row:
    answer = Answer(name="q", question="q", kind=Kind.OPEN, text=text, confidence=0.123456, tokens=2)
    return Row(
        **{
            "id": identity,
            "image": f"{identity}.jpg",
            "status": Status.OK,
            "answers": (answer,),
            "attempts": 1,
            "model": "m",
            "fingerprint": "f",
            "precision": "f32",
            "device": "CPU",
            "seconds": 0.1,
            "extra": json.dumps(extra, ensure_ascii=False) if extra else None,
            **values,
        }
    )


def table(folder: Path, *rows: Row) -> list[list[str]]:
    """Returns the cells of an exported CSV file, its head first."""
    assert export(lambda: rows, folder / "out.csv") == len(rows)
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_csv_has_a_line_for_each_answer_with_the_callers_columns_at_the_end(tmp_path: Path) -> None:
    two = (
        Answer(name="q", question="what is it?", kind=Kind.OPEN, text="a mug", confidence=0.123456, tokens=2),
        Answer(name="caption", kind=Kind.CAPTION, text='said "é",\nand left', confidence=1.0, tokens=2),
    )

    head, *lines = table(tmp_path, row(group="g", answers=two, extra={"price": 3, "note": "x"}))

    assert head == [
        "id", "group", "image", "status", "question", "answer", "confidence", "error_code", "error_message",
        "price", "note",
    ]  # fmt: skip
    assert lines == [
        ["a", "g", "a.jpg", "ok", "what is it?", "a mug", "0.1235", "", "", "3", "x"],
        ["a", "g", "a.jpg", "ok", "", 'said "é",\nand left', "1.0000", "", "", "3", "x"],
    ]


def test_csv_has_a_line_for_an_error_beside_the_answers_that_were_found(tmp_path: Path) -> None:
    failed: dict[str, Any] = {
        "status": Status.ERROR,
        "error_code": "empty_question",
        "error_message": "the question is empty",
    }

    _, *lines = table(tmp_path, row("a", **failed), row("b", answers=(), **failed))

    assert [[line[0], line[3], line[5], line[7]] for line in lines] == [
        ["a", "error", "a mug", ""],
        ["a", "error", "", "empty_question"],
        ["b", "error", "", "empty_question"],
    ]


def test_csv_has_every_column_that_any_row_has(tmp_path: Path) -> None:
    head, *lines = table(tmp_path, row("a", extra={"x": 1}), row("b"), row("c", extra={"y": [1, "é"], "x": None}))

    assert head[9:] == ["x", "y"]
    assert [line[9:] for line in lines] == [["1", ""], ["", ""], ["", '[1, "é"]']]


def test_a_column_called_like_one_of_ours_gets_another_name(tmp_path: Path) -> None:
    head, line = table(tmp_path, row(extra={"status": "sold", "answer": 42, "input_answer": "mine"}))

    assert len(set(head)) == len(head)
    assert sorted(line[9:]) == ["42", "mine", "sold"]
    assert line[3] == "ok"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_no_cell_runs_as_a_formula(tmp_path: Path, text: str) -> None:
    head, line = table(tmp_path, row(text, text=text, group=text, extra={"note": text, text: "a title"}))

    assert f"'{text}" == line[0] == line[1] == line[5] == line[9]
    assert f"'{text}" == head[10]


@pytest.mark.parametrize("text", ["", "-3", "+3.5", "-1e-3", "plain", "a=b", "'quoted", "é"])
def test_what_is_no_formula_stays_as_it_is(tmp_path: Path, text: str) -> None:
    _, line = table(tmp_path, row(extra={"note": text, "other": "x"}))

    assert line[9] == text


def test_jsonl_has_all_that_is_known_of_each_item(tmp_path: Path) -> None:
    rows = [row("a", text="é\n", extra={"tags": ["x", {"y": None}]}), row("b", width=3)]

    assert export(lambda: rows, tmp_path / "out.jsonl") == 2

    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["answers"][0]["text"] == "é\n"
    assert first["extra"] == {"tags": ["x", {"y": None}]}
    assert (second["width"], second["extra"], second["status"]) == (3, {}, "ok")


def test_a_job_without_results_is_a_file_without_lines(tmp_path: Path) -> None:
    assert export(list, tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""
    assert len(table(tmp_path)) == 1


@pytest.mark.parametrize("name", ["out", "out.xlsx", "out.json", ".csv"])
def test_another_form_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.csv or \.jsonl"):
        export(lambda: [row()], tmp_path / name)


@pytest.mark.parametrize("name", ["no/out.csv", "file/out.csv", f"{'x' * 300}.csv"])
def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="cannot be written"):
        export(lambda: [row()], tmp_path / name)


def test_an_export_that_fails_halfway_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("before")

    def damaged() -> Iterator[Row]:
        yield row()
        raise JobError("a part is damaged")

    with pytest.raises(JobError):
        export(damaged, tmp_path / "out.jsonl")

    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == "before"
