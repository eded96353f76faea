"""The user's own list comes back as it was, with the answers at its end."""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.jobs import answered, said

from askpix.producer import Question
from askpix.producer.errors import InputError
from askpix.producer.export import Wishes, export
from askpix.producer.inputs import Columns, Input
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

ADDED = ["q", "q_confidence", "error_code", "error_message"]


def job_from(place: Path, list_: Path, columns: Columns | None = None, *, left_out: int = 0) -> JobFolder:
    """Returns a job made of a list, in which the answer to each image is its reference's last part in capitals.

    Args:
        left_out: parts that have no result yet.
    """
    source = Input(str(list_), columns=columns)
    folder = JobFolder(LocalStorage(place))
    order = Order(model="m", questions=(Question("q"),), part_size=2)
    spec = write_job(source, folder, order, base=source.base)
    for part in range(spec.parts - left_out):
        items = folder.read_input(part, spec.id)
        folder.write_result(
            part,
            [
                answered(
                    item.id or "", said("q", item.image.rpartition("/")[2].upper()), image=item.image, group=item.group
                )
                for item in items
            ],
        )
    return folder


def merged(folder: JobFolder, list_: Path, wishes: Wishes | None = None) -> bytes:
    target = list_.with_name(f"merged-{list_.name}")
    export(folder, str(target), wishes=wishes or Wishes(merge=str(list_)), force=True)
    return target.read_bytes()


def rows(data: bytes, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=separator))


HOSTILE = [
    ["sku", "Image", "price", "note", "q"],
    ["=1+1", "a.jpg", "007.10", 'say "é",\nthen leave', "mine"],
    ["@x", " b.jpg ", "1e5", "-", ""],
    [" spaced ", "a.jpg", "0x1F", "\tx\r杯", "NULL"],
]


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_tables_own_cells_come_back_as_they_were(tmp_path: Path, separator: str, end: str, mark: bytes) -> None:
    # Given
    list_ = tmp_path / ("list.csv" if separator == "," else "list.tsv")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(HOSTILE)
    # The ends of lines within cells stay as they are.
    data = text.getvalue().replace("\r\n", end).encode()
    list_.write_bytes(mark + data)

    # When
    found = merged(job_from(tmp_path / "job", list_), list_)

    # Then
    assert found.startswith(mark or b"sku")
    assert found.endswith(end.encode())
    assert [row[:5] for row in rows(found, separator)] == rows(data, separator) == HOSTILE
    assert [row[5:] for row in rows(found, separator)] == [
        ["answer_q", "answer_q_confidence", "error_code", "error_message"],
        ["A.JPG", "0.5000", "", ""],
        ["B.JPG", "0.5000", "", ""],
        ["A.JPG", "0.5000", "", ""],
    ]


def test_our_cells_are_no_formulas(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image,own\n=x.jpg,=1\n")

    assert rows(merged(job_from(tmp_path / "job", list_), list_))[1][:3] == ["=x.jpg", "=1", "'=X.JPG"]


def test_empty_lines_and_short_rows_keep_their_places(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("\nimage,a,b\na.jpg,1,2\n\nb.jpg\n")

    assert merged(job_from(tmp_path / "job", list_), list_).decode().splitlines() == [
        "image,a,b,q,q_confidence,error_code,error_message",
        "a.jpg,1,2,A.JPG,0.5000,,",
        "",
        "b.jpg,,,B.JPG,0.5000,,",
    ]


def test_a_row_of_which_there_is_no_result_is_left_empty_and_counted(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image\n" + "".join(f"{n}.jpg\n" for n in range(5)))
    folder = job_from(tmp_path / "job", list_, left_out=1)
    # And since then, a row is gone and another there.
    list_.write_text("image\n" + "".join(f"{n}.jpg\n" for n in (3, 2, 1, 4, 9)))

    exported = export(folder, str(tmp_path / "out.csv"), wishes=Wishes(merge=str(list_)))

    assert [row[:2] for row in rows((tmp_path / "out.csv").read_bytes())[1:]] == [
        ["3.jpg", "3.JPG"],
        ["2.jpg", "2.JPG"],
        ["1.jpg", "1.JPG"],
        ["4.jpg", ""],
        ["9.jpg", ""],
    ]
    assert (exported.items, exported.noun, exported.of) == (5, "row", None)
    assert exported.notes == ("2 rows without a result", "1 result of no row of the list")


def test_rows_are_known_by_their_ids_where_they_have_some(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("sku,picture\n1,a.jpg\n2,b.jpg\n")
    columns = Columns(id="sku", image="picture")
    folder = job_from(tmp_path / "job", list_, columns)
    # And since then, the images are called otherwise.
    list_.write_text("sku,picture\n2,c.jpg\n1,d.jpg\n")

    found = rows(merged(folder, list_, Wishes(merge=str(list_), columns=columns)))

    assert [row[2] for row in found] == ["q", "B.JPG", "A.JPG"]


def test_repeated_images_are_told_apart_as_the_job_does(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image,n\n" + "".join(f"a.jpg,{n}\n" for n in range(5)))
    folder = job_from(tmp_path / "job", list_)
    # Given: answers that say which of them they are of.
    for part in range(3):
        found = folder.read_result(part)
        folder.write_result(part, [answered(row.id, said("q", row.id)) for row in found], round_=1)

    assert [row[2] for row in rows(merged(folder, list_))[1:]] == ["a.jpg", "a.jpg#2", "a.jpg#3", "a.jpg#4", "a.jpg#5"]


def test_with_groups_each_row_has_the_answers_of_its_group(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image,group\na.jpg,p\nb.jpg,\nc.jpg,p\n")
    folder = job_from(tmp_path / "job", list_)

    found = rows(merged(folder, list_, Wishes(merge=str(list_), groups=True)))

    # Of equally sure texts, the first.
    assert [row[2] for row in found[1:]] == ["A.JPG", "B.JPG", "A.JPG"]


def test_a_line_of_json_is_the_same_up_to_its_last_brace(tmp_path: Path) -> None:
    lines = [
        '{"image": "a.jpg", "price": 1.50, "big": 123456789012345678901, "u": "\\u00e9\\ud800", "x": 1e3}',
        "",
        '{ "q" : {"deep": [1, {}]}, "image":"b.jpg"  }  ',
        "{}",
        '{"image": "c.jpg"}\r',
    ]
    list_ = tmp_path / "list.jsonl"
    list_.write_text("\n".join(line for line in lines if "ud800" not in line and line != "{}") + "\n", newline="")
    folder = job_from(tmp_path / "job", list_)
    list_.write_text("\n".join(lines) + "\n", newline="")

    found = merged(folder, list_).decode().split("\n")

    assert found[0].startswith(f"{lines[0][:-1]}, ")
    assert found[1] == ""
    assert found[2].startswith('{ "q" : {"deep": [1, {}]}, "image":"b.jpg", "answer_q": "B.JPG"')
    assert json.loads(found[3]) == dict.fromkeys(["answer_q", "answer_q_confidence", *ADDED[2:]])
    assert found[4].endswith("}\r")
    assert [json.loads(line).get("answer_q") for line in found if line] == [None, "B.JPG", None, "C.JPG"]


def test_columns_of_parquet_keep_their_types(tmp_path: Path) -> None:
    own = pa.table(
        {
            "image": ["a.jpg", "b.jpg", "c.jpg"],
            "day": pa.array([datetime.date(2026, 1, n) for n in (1, 2, 3)]),
            "price": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.00")], pa.decimal128(10, 2)),
            "tags": [["x"], [], None],
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        }
    ).replace_schema_metadata({"whose": "mine"})
    pq.write_table(own, tmp_path / "list.parquet")

    found = pq.read_table(
        pa.BufferReader(merged(job_from(tmp_path / "job", tmp_path / "list.parquet"), tmp_path / "list.parquet"))
    )

    assert found.select(own.column_names).equals(own)
    assert (found.schema.metadata or {}).get(b"whose") == b"mine"
    assert found.select(ADDED).to_pylist()[1] == dict(zip(ADDED, ["B.JPG", 0.5, None, None], strict=True))
    assert str(found.schema.field("q_confidence").type) == "double"


def test_a_packed_list_comes_back_packed_or_not_as_it_is_called(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv.gz"
    list_.write_bytes(gzip.compress(b"image\na.jpg\n"))
    folder = job_from(tmp_path / "job", list_)

    export(folder, str(tmp_path / "out.csv"), wishes=Wishes(merge=str(list_)))

    assert gzip.decompress(merged(folder, list_)) == (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "a.jpg,A.JPG,0.5000,,"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("list.txt", "a.jpg\n", r"adds no columns to .*list\.txt: it does to lists that end in \.csv"),
        ("list.csv", "picture\na.jpg\n", r"list\.csv has no column of images"),
        ("list.csv", 'image\n"a.jpg\n', r"list\.csv, line 2"),
        ("list.csv", "image\na.jpg,b\n", r"line 2: more cells than columns"),
        ("list.csv", "image,a,a\na.jpg,1,2\n", r"list\.csv has two columns 'a': rename one of them"),
        ("list.csv", "image,a\na.jpg,1\n\n,2\n", r"line 4: there is no image in this row"),
        ("list.jsonl", '{"image": "a.jpg"}\n{"image": 1}\n', r"line 2: there is no image in this row"),
        ("list.jsonl", '{"image": "a.jpg"}\n{"x": 1}\n', r"line 2: no column of images"),
        ("list.csv", b"image\n\xff.jpg\n", r"not UTF-8 text"),
        ("list.jsonl", "[1]\n", r"list\.jsonl, line 1: a JSON object is needed"),
        ("list.jsonl", "{\n", r"list\.jsonl, line 1: not JSON"),
        ("list.parquet", "PAR1", r"no Parquet file"),
        ("list.csv", "id,image\n1,a.jpg\n1,b.jpg\n", r"'1' comes twice"),
        ("gone.csv", None, r"is not there"),
    ],
)
def test_a_list_that_cannot_be_read_is_said(tmp_path: Path, name: str, data: str | bytes | None, words: str) -> None:
    (tmp_path / "first.csv").write_text("image\na.jpg\n")
    folder = job_from(tmp_path / "job", tmp_path / "first.csv")
    if data is not None:
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)

    with pytest.raises(InputError, match=words):
        export(folder, f"{tmp_path}/out{Path(name).suffix}", wishes=Wishes(merge=str(tmp_path / name)))

    assert not list(tmp_path.glob("*out*"))


def test_questions_in_the_list_are_nothing_to_a_merge(tmp_path: Path) -> None:
    """The job was told otherwise where its questions are, or `question` holds what is none."""
    list_ = tmp_path / "list.csv"
    list_.write_text("image,question,ask\na.jpg,[,what?\nb.jpg,,\n")
    columns = Columns(question="ask")
    folder = job_from(tmp_path / "job", list_, columns)

    assert [row[3] for row in rows(merged(folder, list_))] == ["q", "A.JPG", "B.JPG"]


def test_a_column_without_a_name_is_called_as_when_the_job_was_made(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image,,x\na.jpg,7,1\nb.jpg,8,2\n")
    columns = Columns(id="column 2")
    folder = job_from(tmp_path / "job", list_, columns)

    found = rows(merged(folder, list_, Wishes(merge=str(list_), columns=columns)))

    assert [row[:4] for row in found] == [
        ["image", "", "x", "q"],
        ["a.jpg", "7", "1", "A.JPG"],
        ["b.jpg", "8", "2", "B.JPG"],
    ]


def test_no_column_that_is_added_is_called_as_another(tmp_path: Path) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image,error_code,ERROR_MESSAGE\na.jpg,1,2\n")
    folder = job_from(tmp_path / "job", list_)
    folder.write_result(0, [answered("a.jpg", said("answer_error_code", "mine"), image="a.jpg")], round_=1)

    head, line = rows(merged(folder, list_))

    assert len({name.casefold() for name in head}) == len(head)
    assert dict(zip(head, line, strict=True)) | {"answer_answer_error_code": "mine", "answer_error_code": ""} == dict(
        zip(head, line, strict=True)
    )


@pytest.mark.parametrize(("to", "wishes"), [("out.jsonl", {}), ("out/", {}), ("out.csv", {"form": "rows"})])
def test_a_list_comes_back_in_no_other_form(tmp_path: Path, to: str, wishes: dict[str, str]) -> None:
    list_ = tmp_path / "list.csv"
    list_.write_text("image\na.jpg\n")

    with pytest.raises(InputError, match=r"its own form: give --to a name that ends in \.csv|leave out --form rows"):
        export(job_from(tmp_path / "job", list_), f"{tmp_path}/{to}", wishes=Wishes(merge=str(list_), **wishes))
