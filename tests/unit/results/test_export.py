"""Results as one file, for people's spreadsheets and for other programs: what its lines and cells hold."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.exports import job, lines, row, strict, table
from helpers.rows import failed_row

from askpix.producer import Alternative, Answer, Choice, Kind, Status
from askpix.producer.errors import InputError
from askpix.producer.export import export, export_lines
from askpix.producer.records import RESULT_SCHEMA, row_from_record

# CSV. --------------------------------------------------------------------------------------------


def test_csv_has_a_line_for_each_answer_with_the_callers_columns_at_the_end(tmp_path: Path) -> None:
    two = (
        Answer(name="q", question="what is it?", kind=Kind.OPEN, text="a mug", confidence=0.123456, tokens=2),
        Answer(name="caption", kind=Kind.CAPTION, text='said "é",\nand left', confidence=1.0, tokens=2),
    )

    head, *lines = table(tmp_path, row(group="g", answers=two, extra={"price": 3, "note": "x"}))

    assert head == [
        "id", "group", "image", "status", "name", "question", "answer", "confidence", "choices",
        "error_code", "error_message", "alternatives", "price", "note",
    ]  # fmt: skip
    assert lines == [
        ["a", "g", "a.jpg", "ok", "q", "what is it?", "a mug", "0.1235", "", "", "", "", "3", "x"],
        ["a", "g", "a.jpg", "ok", "caption", "", 'said "é",\nand left', "1.0000", "", "", "", "", "3", "x"],
    ]


def test_csv_has_the_probability_of_each_choice(tmp_path: Path) -> None:
    choices = (Choice(text="red", probability=0.75), Choice(text='"bleu é"', probability=0.2499999))
    answer = Answer(
        name="color", question="what color?", kind=Kind.CHOICE, text="red", confidence=0.75, tokens=0, choices=choices
    )

    _, line = table(tmp_path, row(answers=(answer,)))

    assert line[4:7] == ["color", "what color?", "red"]
    assert strict(line[8]) == {"red": 0.75, '"bleu é"': 0.25}


def test_csv_has_the_other_texts_where_several_were_asked_for(tmp_path: Path) -> None:
    others = (Alternative(text="two mugs", confidence=0.25), Alternative(text='a "mug"', confidence=0.125))
    answer = Answer(name="caption", kind=Kind.CAPTION, text="a mug", confidence=0.5, tokens=3, alternatives=others)

    head, line = table(tmp_path, row(answers=(answer,)))

    assert line[6] == "a mug"
    assert strict(line[head.index("alternatives")]) == ["two mugs", 'a "mug"']


def test_csv_has_a_line_for_an_error_beside_the_answers_that_were_found(tmp_path: Path) -> None:
    failed: dict[str, Any] = {
        "status": Status.ERROR,
        "error_code": "empty_question",
        "error_message": "the question is empty",
    }

    _, *lines = table(tmp_path, row("a", **failed), row("b", answers=(), **failed))

    assert [[line[0], line[3], line[6], line[9]] for line in lines] == [
        ["a", "error", "a mug", ""],
        ["a", "error", "", "empty_question"],
        ["b", "error", "", "empty_question"],
    ]


def test_csv_has_a_line_for_each_item_even_if_nothing_is_said_of_it(tmp_path: Path) -> None:
    _, line = table(tmp_path, row("a", answers=()))

    assert line == ["a", "", "a.jpg", "ok", "", "", "", "", "", "", "", ""]


def test_csv_has_every_column_that_any_row_has(tmp_path: Path) -> None:
    head, *lines = table(tmp_path, row("a", extra={"x": 1}), row("b"), row("c", extra={"y": [1, "é"], "x": None}))

    assert head[12:] == ["x", "y"]
    assert [line[12:] for line in lines] == [["1", ""], ["", ""], ["", '[1, "é"]']]


def test_a_column_called_like_one_of_ours_gets_another_name(tmp_path: Path) -> None:
    head, line = table(tmp_path, row(extra={"status": "sold", "name": 42, "input_name": "mine"}))

    assert len(set(head)) == len(head)
    assert sorted(line[12:]) == ["42", "mine", "sold"]
    assert line[3] == "ok"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_cell_runs_as_a_formula(tmp_path: Path, text: str) -> None:
    head, line = table(tmp_path, row(text, text=text, group=text, extra={"note": text, text: "a title"}))

    assert f"'{text}" == line[0] == line[1] == line[6] == line[12]
    assert f"'{text}" == head[13]


@pytest.mark.parametrize("text", ["", "-3", "+3.5", "-1e-3", "plain", "a=b", "'quoted", "é"])
def test_what_is_no_formula_stays_as_it_is(tmp_path: Path, text: str) -> None:
    _, line = table(tmp_path, row(extra={"note": text, "other": "x"}))

    assert line[12] == text


def test_a_cell_holds_nothing_that_a_terminal_acts_on(tmp_path: Path) -> None:
    hostile = "\x1b[2J\x9b31m\x00\x7fa\tb\nc"

    head, line = table(tmp_path, row(text=hostile, extra={hostile: hostile}))

    assert line[6] == line[12] == head[12] == "\ufffd[2J\ufffd31m\ufffd\ufffda\tb\nc"


def test_more_columns_than_a_table_can_have_are_refused(tmp_path: Path) -> None:
    made = job(tmp_path, [row("a", extra={f"x{n}": n for n in range(16_384)})], [row("b", extra={"y": 1})])

    with pytest.raises(InputError, match=r"more than 16384 .*\.jsonl"):
        export(made, str(tmp_path / "out.csv"))


# JSON. -------------------------------------------------------------------------------------------


def test_jsonl_has_all_that_is_known_of_each_item(tmp_path: Path) -> None:
    first, second = lines(tmp_path, row("a", text="é\n", extra={"tags": ["x", {"y": None}]}), row("b", width=3))

    assert first["answers"][0]["text"] == "é\n"
    assert first["extra"] == {"tags": ["x", {"y": None}]}
    assert (second["width"], second["extra"], second["status"]) == (3, {}, "ok")


def test_jsonl_is_strict_whatever_the_numbers_are(tmp_path: Path) -> None:
    nan, infinity = float("nan"), float("inf")
    choices = (Choice(text="red", probability=nan), Choice(text="blue", probability=infinity))
    answer = Answer(name="q", question="q", kind=Kind.CHOICE, text="red", confidence=nan, tokens=0, choices=choices)
    extra = '{"a": NaN, "b": [Infinity, 1e999, {"c": -Infinity}], "d": 1.5}'

    (line,) = lines(tmp_path, replace(row(answers=(answer,), seconds=infinity), extra=extra))

    assert line["extra"] == {"a": None, "b": [None, None, {"c": None}], "d": 1.5}
    assert (line["seconds"], line["answers"][0]["confidence"]) == (None, None)
    assert [choice["probability"] for choice in line["answers"][0]["choices"]] == [None, None]


def test_csv_has_no_number_that_is_none(tmp_path: Path) -> None:
    choices = (Choice(text="red", probability=float("nan")), Choice(text="blue", probability=0.5))
    answer = Answer(
        name="q", question="q", kind=Kind.CHOICE, text="red", confidence=float("inf"), tokens=0, choices=choices
    )

    _, line = table(tmp_path, replace(row(answers=(answer,)), extra='{"a": NaN, "b": [NaN]}'))

    assert line[7:9] == ["", '{"red": null, "blue": 0.5}']
    assert line[12:] == ["", "[null]"]


@pytest.mark.parametrize(
    "extra",
    ["[1]", "{", '"text"', "null", "1", "[" * 100_000, f'{{"a": {"9" * 5000}}}', '{"a": ' * 990 + "1" + "}" * 990],
)
def test_an_extra_that_no_askpix_wrote_ends_no_export(tmp_path: Path, extra: str) -> None:
    made = job(tmp_path, [replace(row(), extra=extra)])

    for name in ("out.jsonl", "out.csv", "out.parquet"):
        assert export(made, str(tmp_path / name)).items == 1

    value = strict((tmp_path / "out.jsonl").read_text())["extra"]
    assert value == {"extra": extra} or extra.startswith('{"a": {')


def test_half_of_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, replace(row(), extra='{"a": "x\\ud800"}'))

    assert line["extra"] == {"a": "x?"}


def test_a_line_of_json_is_one_line_and_nothing_that_a_terminal_acts_on(tmp_path: Path) -> None:
    text = "\x1b[2J\x9b\x7f\x85\u2028\u2029\r\n"

    (line,) = lines(tmp_path, row(text=text))

    assert line["answers"][0]["text"] == text
    assert all(c.isprintable() for c in (tmp_path / "out.jsonl").read_text().removesuffix("\n"))


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.ndjson.gz", "out.csv.gz", "OUT.CSV.GZ"])
def test_packed_lines_are_the_lines(tmp_path: Path, name: str) -> None:
    made = job(tmp_path, [row("a", text="é"), row("b")])
    plain = name.lower().removesuffix(".gz")

    export(made, str(tmp_path / name))
    export(made, str(tmp_path / plain))

    assert gzip.decompress((tmp_path / name).read_bytes()) == (tmp_path / plain).read_bytes()


def test_packed_files_of_the_same_results_are_the_same(tmp_path: Path) -> None:
    made = job(tmp_path, [row()])

    for name in ("first.csv.gz", "second.csv.gz"):
        export(made, str(tmp_path / name))

    assert (tmp_path / "first.csv.gz").read_bytes() == (tmp_path / "second.csv.gz").read_bytes()


def test_lines_go_to_an_open_file_as_they_go_to_a_new_one(tmp_path: Path) -> None:
    made = job(tmp_path, [row("a"), row("b")])
    file = io.BytesIO()

    assert export_lines(made, file).items == 2

    export(made, str(tmp_path / "out.jsonl"))
    assert file.getvalue() == (tmp_path / "out.jsonl").read_bytes()


# Parquet. ----------------------------------------------------------------------------------------


def test_parquet_has_the_rows_as_they_are(tmp_path: Path) -> None:
    rows = [row("a", text="é", extra={"price": 3}), failed_row("b"), row("c", group="g", width=3)]

    assert export(job(tmp_path, rows[:1], rows[1:]), str(tmp_path / "out.parquet")).items == 3

    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema.equals(RESULT_SCHEMA)
    assert [row_from_record(record) for record in read.to_pylist()] == rows
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 1


def test_parquet_of_many_rows_has_few_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askpix.producer.export.rows._GROUP_ROWS", 10)
    made = job(tmp_path, *([row(f"{part}-{n}") for n in range(4)] for part in range(10)))

    export(made, str(tmp_path / "out.parquet"))

    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert file.num_row_groups < 10
    assert file.read(["id"])["id"].to_pylist() == [f"{part}-{n}" for part in range(10) for n in range(4)]


def test_only_the_newest_round_of_each_part_is_exported(tmp_path: Path) -> None:
    made = job(tmp_path, [failed_row("a")], [row("b")])
    made.write_result(0, [row("a", text="mended")], round_=2)

    for name in ("out.parquet", "out.jsonl", "out.csv"):
        assert export(made, str(tmp_path / name)).items == 2

    assert pq.read_table(tmp_path / "out.parquet")["status"].to_pylist() == ["ok", "ok"]
    assert (tmp_path / "out.jsonl").read_text().count("mended") == 1
    assert (tmp_path / "out.csv").read_text().count("mended") == 1


def test_results_that_lack_a_column_or_have_one_more_are_exported_too(tmp_path: Path) -> None:
    # Given: a part of an older askpix and one of a newer.
    made = job(tmp_path, [row("a", extra={"x": 1})], [row("b")])
    first, second = sorted((tmp_path / "job" / "results").iterdir())
    pq.write_table(pq.read_table(first).drop_columns(["sha256", "extra"]), first)
    pq.write_table(pq.read_table(second).append_column("mood", pa.array(["good"])), second)

    # When
    for name in ("out.parquet", "out.jsonl", "out.csv"):
        assert export(made, str(tmp_path / name)).items == 2

    # Then
    read = pq.read_table(tmp_path / "out.parquet")
    assert read.schema.equals(RESULT_SCHEMA)
    assert read["sha256"].to_pylist() == [None, None]
