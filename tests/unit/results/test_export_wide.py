"""Wide tables: which columns there are, what they are called, and what their cells hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from helpers.jobs import answered, chosen, job_of, said
from helpers.rows import failed_row
from helpers.wide import COLOR, PRINT, cells, objects, table

from askpix.producer import Kind, Question, Row
from askpix.producer.corrections import Correction, keep_corrections
from askpix.producer.errors import InputError
from askpix.producer.export import Wishes, export
from askpix.producer.job_folder import JobFolder


def test_each_item_is_a_row_and_each_question_two_columns(tmp_path: Path) -> None:
    folder = job_of(
        tmp_path / "job",
        [
            answered("a", chosen("color", red=0.76543, blue=0.2), said("what?", "a mug", 1.0), group="g"),
            answered("b", said("what?", 'a "hat",\né', 0.25)),
            failed_row("c"),
        ],
        [COLOR, Question("what?")],
    )

    assert cells(folder) == [
        [
            "id",
            "group",
            "image",
            "status",
            "color",
            "color_confidence",
            "what?",
            "what?_confidence",
            "error_code",
            "error_message",
        ],
        ["a", "g", "a.jpg", "ok", "red", "0.7654", "a mug", "1.0000", "", ""],
        ["b", "", "b.jpg", "ok", "", "", 'a "hat",\né', "0.2500", "", ""],
        ["c", "", "c", "error", "", "", "", "", "http_503", "http_503"],
    ]
    assert cells(folder, "out.tsv") == cells(folder)
    assert objects(folder)[0]["color_confidence"] == 0.76543


def test_captions_have_a_column(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a", said("caption", "a mug", kind=Kind.CAPTION))])

    assert cells(folder)[0][4:6] == ["caption", "caption_confidence"]


def test_questions_of_rows_own_come_after_the_jobs_in_the_order_in_which_they_come_up(tmp_path: Path) -> None:
    own = {"a": (Question("tall?"),), "c": (Question("old?"),)}
    rows = [answered("a", said("tall?", "yes")), answered("b", said("color", "red")), answered("c", said("old?", "no"))]

    head, *lines = cells(job_of(tmp_path / "job", rows, [Question("what?"), COLOR], **own))

    assert head[4:12:2] == ["what?", "color", "tall?", "old?"]
    assert [line[4:12:2] for line in lines] == [["", "", "yes", ""], ["", "red", "", ""], ["", "", "", "no"]]


def test_what_was_asked_and_none_is_so_is_not_what_was_not_asked(tmp_path: Path) -> None:
    rows = [
        answered("a", said("print", "cat, star", kind=Kind.MULTIPLE)),
        answered("b", said("print", "", kind=Kind.MULTIPLE)),
        answered("c", said("color", "red")),
    ]
    folder = job_of(tmp_path / "job", rows, [PRINT, COLOR])

    assert [line[4:6] for line in cells(folder)[1:]] == [["cat, star", "0.5000"], ["[]", "0.5000"], ["", ""]]
    assert [each["print"] for each in objects(folder)] == [["cat", "star"], [], None]
    assert table(folder)["print"].type == pa.list_(pa.string())
    assert table(folder)["print"].to_pylist() == [["cat", "star"], [], None]


def test_columns_that_would_be_called_alike_are_told_apart(tmp_path: Path) -> None:
    rows = [
        answered(
            "a",
            said("id", "1"),
            said("color", "2"),
            said("Color_confidence", "3"),
            said("q", "4"),
            said("q", "5"),
            said("", "6"),
            extra={"status": "7", "q": "8", "input_q": "9", "": "10", "answer": "11"},
        )
    ]
    (head, line) = cells(job_of(tmp_path / "job", rows))

    assert len({name.casefold() for name in head}) == len(head)
    found = {value: name for name, value in zip(head, line, strict=True) if value.isdigit()}
    assert found == {
        "1": "answer_id",
        "2": "color",
        "3": "answer_Color_confidence",
        "4": "q",
        "5": "q_2",
        "6": "answer",
        "7": "input_status",
        "8": "input_q",
        "9": "input_input_q",
        "10": "input",
        "11": "input_answer",
    }


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_cell_runs_as_a_formula(tmp_path: Path, text: str) -> None:
    row = answered(text, said(text, text), group=text, image=text, error_message=text, extra={f"{text}x": text})

    head, line = cells(job_of(tmp_path / "job", [row]))

    assert head[4] == f"'{text}"
    assert {line[0], line[1], line[2], line[4], line[7], line[8]} == {f"'{text}"}
    assert head[8] == f"'{text}x"


def test_terms_of_several_make_no_formula_together(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a", said("p", "=1, b", kind=Kind.MULTIPLE))])

    assert cells(folder)[1][4] == "'=1, b"


def test_the_callers_columns_keep_their_types_where_they_have_one(tmp_path: Path) -> None:
    first = {"n": 1, "f": 1.5, "b": True, "t": "x", "mixed": 1, "list": [1], "long": 2**60, "huge": 2**70, "none": None}
    second = {"n": None, "f": 2, "b": False, "t": "x\ud800", "mixed": "é", "list": None, "long": 0.5, "huge": 1}
    rows = [answered("a", extra=first), answered("b", extra=None), answered("c", extra=None)]
    folder = job_of(tmp_path / "job", [rows[0], rows[1], answered("c", extra={})])
    folder.write_result(0, [rows[0], answered("b")])
    written = json.dumps(second)
    folder.write_result(1, [replace(answered("c"), extra=written)])

    found = table(folder)

    types = {name: str(found.schema.field(name).type) for name in first}
    assert types == {
        "n": "int64", "f": "double", "b": "bool", "t": "string", "mixed": "string",
        "list": "string", "long": "string", "huge": "string", "none": "string",
    }  # fmt: skip
    assert found.select(list(first)).to_pylist() == [
        {**first, "mixed": "1", "list": "[1]", "long": str(2**60), "huge": str(2**70)},
        dict.fromkeys(first),
        {**second, "t": "x?", "f": 2.0, "long": "0.5", "huge": "1", "none": None},
    ]


def test_a_spreadsheet_gets_the_callers_numbers_as_they_were(tmp_path: Path) -> None:
    folder = job_of(
        tmp_path / "job", [answered("a", extra={"price": 3.14159, "n": 2}), answered("b", extra={"price": 3})]
    )

    assert [line[-2:] for line in cells(folder)[1:]] == [["3.14159", "2"], ["3", ""]]


def test_a_confidence_that_is_no_number_is_none(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a", said("q", "x", float("nan"))), answered("b", said("q", "x", 1.0))])

    head, first, _ = cells(folder)
    assert first[head.index("q_confidence")] == ""
    assert [each["q_confidence"] for each in objects(folder)] == [None, 1.0]
    assert table(folder)["q_confidence"].to_pylist() == [None, 1.0]


def test_excel_is_told_that_it_is_utf8_only_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a", said("q", "é"))])

    for name, form in (("wide.csv", "wide"), ("answers.csv", "answers")):
        export(folder, str(tmp_path / name), wishes=Wishes(form=form, excel=True))
        marked = (tmp_path / name).read_bytes()
        export(folder, str(tmp_path / name), wishes=Wishes(form=form), force=True)

        assert marked == b"\xef\xbb\xbf" + (tmp_path / name).read_bytes()


def test_corrections_stand_beside_the_answers(tmp_path: Path) -> None:
    rows = [
        answered("a", said("color", "red"), said("print", "cat", kind=Kind.MULTIPLE)),
        answered("b", said("color", "blue"), said("print", "cat", kind=Kind.MULTIPLE)),
    ]
    folder = job_of(tmp_path / "job", rows, [COLOR, PRINT])
    assert "color_corrected" not in cells(folder)[0]

    keep_corrections(folder, [Correction(id="b", attribute="print", text="star,  cat")])

    assert cells(folder)[0][4:9] == ["color", "color_confidence", "print", "print_confidence", "print_corrected"]
    assert [line[8] for line in cells(folder)[1:]] == ["", "star, cat"]
    assert table(folder)["print_corrected"].to_pylist() == [None, ["star", "cat"]]


def test_a_json_file_for_each_image_has_the_columns_of_the_wide_table(tmp_path: Path) -> None:
    rows: list[Row] = [answered("a.jpg", said("print", "", kind=Kind.MULTIPLE), image="/x/a.jpg"), failed_row("b.jpg")]
    folder = job_of(tmp_path / "job", rows, [PRINT])

    exported = export(folder, f"{tmp_path}/out/", wishes=Wishes(form="json"))

    assert (exported.files, exported.without, exported.noun) == (1, 1, "JSON file")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "out" / "a.json").read_text()) == objects(folder)[0]


def test_only_the_columns_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = job_of(tmp_path / "job", [answered("a", chosen("color", red=0.9, blue=0.1), extra={"x": 1})], [COLOR])

    # Whole rows take several times as long.
    monkeypatch.setattr(JobFolder, "read_result", lambda *_: pytest.fail("a whole row was read"))

    assert cells(folder)[1][4] == "red"


def test_half_of_a_surrogate_pair_in_the_name_of_a_column_becomes_a_question_mark(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("a"), answered("b")])
    folder.write_result(0, [replace(answered("a"), extra='{"x\\ud800": 1}'), answered("b")])

    assert cells(folder)[0][-1] == "x?"
    assert objects(folder)[0]["x?"] == 1
    assert table(folder)["x?"].to_pylist() == [1, None]


def test_the_file_of_an_image_called_job_makes_no_job_of_its_folder(tmp_path: Path) -> None:
    folder = job_of(tmp_path / "job", [answered("job.jpg", said("q", "x"), image="/x/job.jpg")])

    for force in (False, True):
        exported = export(folder, f"{tmp_path}/out/", wishes=Wishes(form="json"), force=force)

    assert exported.files == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.json"]
    with pytest.raises(InputError, match="is a job folder"):
        export(folder, f"{tmp_path}/job/", wishes=Wishes(form="json"), force=True)
