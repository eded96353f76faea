"""What askpix reads: a folder, an image, and lists as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.inputs import read

from askpix.producer import Item, Question
from askpix.producer.errors import InputError
from askpix.producer.inputs import Columns, Input

# Every form. -------------------------------------------------------------------------------------


def test_a_folder_gives_its_images_in_order_by_paths_within_it(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/2.PNG", "a/1.webp", "a/.thumbs/3.gif", "notes.txt", "list.csv", "c.jpg.bak"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()

    source = Input(str(tmp_path))

    assert [item.image for item in source] == ["a/.thumbs/3.gif", "a/1.webp", "a/2.PNG", "b.jpg"]
    assert source.base == str(tmp_path)
    assert source.local_root == tmp_path


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp", "photo:1.jpg"])
def test_one_image_is_an_item(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    source = Input(str(tmp_path / name))

    assert list(source) == [Item(image=name)]
    assert source.base == str(tmp_path)
    assert source.local_root == tmp_path


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").touch()

    assert list(Input(f"file://{tmp_path}/a%20b.jpg")) == [Item(image="a b.jpg")]


def test_a_relative_path_counts_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").touch()
    monkeypatch.chdir(tmp_path)

    source = Input("a.jpg")
    monkeypatch.chdir("/")

    assert list(source) == [Item(image="a.jpg")]
    assert source.base == str(tmp_path)
    assert source.local_root == tmp_path


def test_a_txt_has_an_image_a_line(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfa.jpg\r\n\r\n  b c.jpg \nhttp://example.com/d.jpg?x=1#y\n\xc3\xa9.jpg"

    assert [item.image for item in read(tmp_path / "list.txt", text)] == [
        "a.jpg", "b c.jpg", "http://example.com/d.jpg?x=1#y", "é.jpg",
    ]  # fmt: skip


def test_a_csv_has_columns_for_what_askpix_knows_and_keeps_the_others(tmp_path: Path) -> None:
    items = read(
        tmp_path / "list.csv",
        'Image ,id,group,question,price,"note, long"\n'
        'a.jpg,1,shelf,what is it?,3,"said ""hi""\nand left"\n'
        "b.jpg,,,,,\n",
    )

    assert items == [
        Item(
            image="a.jpg",
            id="1",
            group="shelf",
            questions=(Question("what is it?"),),
            extra={"price": "3", "note, long": 'said "hi"\nand left'},
        ),
        Item(image="b.jpg", extra={"price": "", "note, long": ""}),
    ]


@pytest.mark.parametrize("column", ["image", "url", "path", "file", "filename", "image_url", "image_path", "URL"])
def test_the_column_of_images_may_have_any_usual_name(tmp_path: Path, column: str) -> None:
    assert read(tmp_path / "list.csv", f"n,{column}\n1,a.jpg\n") == [Item(image="a.jpg", extra={"n": "1"})]


def test_a_csv_row_may_have_several_questions_as_json(tmp_path: Path) -> None:
    cell = json.dumps(["what is it?", {"text": "red?", "choices": ["yes", "no"]}]).replace('"', '""')

    (item,) = read(tmp_path / "list.csv", f'image,questions\na.jpg,"{cell}"\n')

    assert item.questions == (Question("what is it?"), Question("red?", choices=("yes", "no")))


def test_a_jsonl_row_has_questions_with_names_and_choices_and_extras_of_any_kind(tmp_path: Path) -> None:
    row = {
        "image": "a.jpg",
        "id": 7,
        "group": "g",
        "questions": ["what is it?", {"text": "what color is it?", "name": "color", "choices": ["red", "blue"]}],
        "price": 3.5,
        "tags": ["x", {"y": None}],
    }

    (item,) = read(tmp_path / "list.jsonl", json.dumps(row) + "\n\n")

    assert item == Item(
        image="a.jpg",
        id="7",
        group="g",
        questions=(Question("what is it?"), Question("what color is it?", name="color", choices=("red", "blue"))),
        extra={"price": 3.5, "tags": ["x", {"y": None}]},
    )


def test_a_row_whose_attribute_has_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    rows = [{"image": "a.jpg"}, {"image": "b.jpg", "questions": [{"text": "what?", "below": 0.4}]}]

    with pytest.raises(InputError, match=r"list\.jsonl, line 2: .*below and then go together"):
        read(tmp_path / "list.jsonl", "\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("questions", [None, [], "", "[]"])
def test_no_questions_in_a_row_stands_for_the_jobs_own(tmp_path: Path, questions: object) -> None:
    (item,) = read(tmp_path / "list.jsonl", json.dumps({"image": "a.jpg", "questions": questions}))

    assert item.questions is None


def test_an_empty_question_is_kept_so_that_its_row_fails_alone(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "list.jsonl", '{"image": "a.jpg", "question": ""}')

    assert item.questions == (Question(""),)


def test_a_list_can_be_read_twice(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
    source = Input(str(tmp_path / "list.txt"))

    assert list(source) == list(source)


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
def test_an_empty_list_has_no_items(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, "image,id\n" if name.endswith("csv") else "\n \n") == []


# What relative references count from. ------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "expected", "local_root", "bucket"),
    [
        (None, "{tmp}", "{tmp}", None),
        ("/shop/./photos/", "/shop/photos", "/shop/photos", None),
        ("file:///shop/photos", "/shop/photos", "/shop/photos", None),
        ("s3://shop/photos/", "s3://shop/photos", "{tmp}", "shop"),
        ("https://cdn.example.com/photos/", "https://cdn.example.com/photos", "{tmp}", None),
    ],
)
def test_references_count_from_the_list_or_from_the_base_that_was_given(
    tmp_path: Path, base: str | None, expected: str, local_root: str, bucket: str | None
) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\n")

    source = Input(str(tmp_path / "list.txt"), base=base)

    assert source.base == expected.format(tmp=tmp_path)
    assert str(source.local_root) == local_root.format(tmp=tmp_path)
    assert source.bucket == bucket
    assert list(source) == [Item(image="a.jpg")]


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("s3://shop/lists/a.csv.gz", "s3://shop/lists"),
        ("s3://shop/a.jpg", "s3://shop"),
        ("s3://shop/x/", "s3://shop/x"),
    ],
)
def test_references_of_a_list_in_s3_count_from_its_folder_there(source: str, base: str) -> None:
    made = Input(source)

    assert (made.base, made.local_root, made.bucket) == (base, None, "shop")


@pytest.mark.parametrize("base", ["", "ftp://x", "gs://x/y", "data:,x", "s3://", "https://", "http://x/?a=1", "a\0b"])
def test_a_base_of_another_kind_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(InputError):
        Input(str(tmp_path), base=base)


# Columns that the user names. --------------------------------------------------------------------


def test_columns_that_were_named_are_taken_and_usual_names_are_then_the_users_own(tmp_path: Path) -> None:
    text = 'photo,Sku,shelf,ask,image,id,question\na.jpg,1,s,"[""x"", ""y""]",i,d,q\nb.jpg,,,z,,,\n'
    (tmp_path / "list.csv").write_text(text)

    items = list(
        Input(str(tmp_path / "list.csv"), columns=Columns(image="photo", id="sku", group="shelf", question="ask"))
    )

    assert items == [
        Item(
            image="a.jpg",
            id="1",
            group="s",
            questions=(Question("x"), Question("y")),
            extra={"image": "i", "id": "d", "question": "q"},
        ),
        Item(image="b.jpg", questions=(Question("z"),), extra={"image": "", "id": "", "question": ""}),
    ]


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.jsonl"])
@pytest.mark.parametrize("option", ["image", "id", "group", "question"])
def test_a_column_that_was_named_and_is_not_there_is_said_with_those_that_are(
    tmp_path: Path, name: str, option: str
) -> None:
    (tmp_path / name).write_text(
        {"csv": "image,sku\na,b\n", "tsv": "image\tsku\na\tb\n"}.get(name[5:], '{"image": "a", "sku": "b"}\n')
    )

    with pytest.raises(InputError, match=rf"{name}.* no column 'nowhere': there are 'image', 'sku'"):
        list(Input(str(tmp_path / name), columns=Columns(**{option: "nowhere"})))


def test_columns_of_what_has_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()

    for source in (tmp_path, tmp_path / "list.txt"):
        with pytest.raises(InputError, match="has no columns"):
            list(Input(str(source), columns=Columns(image="a")))


def test_a_row_of_empty_cells_is_an_empty_row(tmp_path: Path) -> None:
    assert read(tmp_path / "list.csv", "image,id\n\n,\na.jpg,\n,\n\n") == [Item(image="a.jpg")]


def test_cells_that_a_row_lacks_are_not_among_its_own_columns(tmp_path: Path) -> None:
    assert read(tmp_path / "list.csv", "image,price,question,note\na.jpg,3\nb.jpg,4,\n") == [
        Item(image="a.jpg", extra={"price": "3"}),
        Item(image="b.jpg", extra={"price": "4"}),
    ]


def test_columns_without_a_name_are_numbered_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    assert read(tmp_path / "list.csv", ",image, \n0,a.jpg,x\n") == [
        Item(image="a.jpg", extra={"column 1": "0", "column 3": "x"})
    ]
    with pytest.raises(InputError, match=r"list\.csv has two columns 'price'"):
        read(tmp_path / "list.csv", "image,price,price\na.jpg,1,2\n")


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    assert read(tmp_path / "list.jsonl", '{"image": "a.jpg", "x": [NaN, Infinity]}') == [
        Item(image="a.jpg", extra={"x": [None, None]})
    ]


def test_a_question_of_its_own_counts_where_there_are_no_questions(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "list.jsonl", '{"image": "a.jpg", "questions": null, "question": "what?"}')

    assert item.questions == (Question("what?"),)
