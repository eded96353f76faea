"""Inputs with something wrong in them, or that are none: what is said, and of which line."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from helpers.inputs import read

from askpix.producer.errors import InputError
from askpix.producer.inputs import Input
from askpix.producer.lists import lines


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("list.jsonl", '{"image": "a.jpg"}\n{"image": \n', 2, "not JSON"),
        ("list.jsonl", '{"image": "a.jpg"}\n\n["b.jpg"]\n', 3, "a JSON object is needed"),
        ("list.jsonl", '{"picture": "a.jpg"}', 1, "no column of images"),
        ("list.jsonl", '{"image": 7}', 1, "no image"),
        ("list.jsonl", '{"image": "  "}', 1, "no image"),
        ("list.jsonl", '{"image": "a.jpg", "id": [1]}', 1, "id must be"),
        ("list.jsonl", '{"image": "a.jpg", "id": true}', 1, "id must be"),
        ("list.jsonl", '{"image": "a.jpg", "group": 1.5}', 1, "group must be"),
        ("list.jsonl", '{"image": "a.jpg", "question": 7}', 1, "a question is a text"),
        ("list.jsonl", '{"image": "a.jpg", "questions": [null]}', 1, "a question is a text"),
        ("list.jsonl", '{"image": "a.jpg", "questions": [{"name": "n"}]}', 1, "text"),
        ("list.jsonl", '{"image": "a.jpg", "questions": [{"text": "t", "choise": []}]}', 1, "choise"),
        ("list.jsonl", '{"image": "a.jpg", "questions": [{"text": "t", "choices": ["a"]}]}', 1, "choices"),
        ("list.jsonl", '{"image": "a.jpg", "questions": [{"text": "t", "choices": ["a", "a"]}]}', 1, "distinct"),
        ("list.jsonl", '{"image": "a.jpg", "question": "%s"}' % ("x" * 2001), 1, "2000"),
        ("list.jsonl", "[" * 100_000, 1, "not JSON"),
        ("list.jsonl", '{"image": "a.jpg", "note": "\\ud800"}', 1, "text"),
        ("list.jsonl", '{"image": "\\ud800.jpg"}', 1, "text"),
        ("list.csv", "image,id\na.jpg,1\n,2\n", 3, "no image"),
        ("list.csv", "image,id\na.jpg,1,what\n", 2, "more cells than columns"),
        ("list.csv", 'image,questions\na.jpg,"[oops"\n', 2, "not JSON"),
        ("list.csv", 'image,id\na.jpg,"1\n', 2, "unexpected end"),
        ("list.csv", 'image,id\na.jpg,"1"x\n', 2, "expected"),
        ("list.csv", 'image,id\n"a\n.jpg",1\n,2\n', 4, "no image"),
        ("list.tsv", "image\tid\na.jpg\t1\n\t2\n", 3, "no image"),
        ("list.tsv", "image\tquestions\na.jpg\t[oops\n", 2, "not JSON"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / name, text)

    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}, line {line}: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 500


def test_a_csv_without_images_says_which_columns_it_looks_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"list\.csv has no column of images.*image"):
        read(tmp_path / "list.csv", "sku,price\n1,2\n")


def test_a_list_in_another_encoding_says_so(tmp_path: Path) -> None:
    for name in ("list.txt", "list.csv", "list.tsv", "list.jsonl"):
        with pytest.raises(InputError, match=f"{name} is not UTF-8 text: it holds the byte 0xe9"):
            read(tmp_path / name, "image\né.jpg\n".encode("latin-1"))


@pytest.mark.parametrize("cut", [0.5, 1], ids=["cut short", "damaged"])
@pytest.mark.parametrize("name", ["list.txt.gz", "list.csv.gz", "list.tsv.gz", "list.jsonl.gz"])
def test_a_damaged_gzip_is_said(tmp_path: Path, name: str, cut: float) -> None:
    packed = bytearray(gzip.compress(b"image\n" + os.urandom(10_000).hex().encode() + b"\n"))
    packed[-5] ^= 255

    with pytest.raises(InputError, match=rf"{name}.* copy it again|{name}, line 1: not JSON"):
        read(tmp_path / name, bytes(packed[: int(len(packed) * cut)]))
    with pytest.raises(InputError, match="copy it again"):
        read(tmp_path / name, b"image\nno gzip at all\n")


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz", "list.jsonl.gz", "list.csv", "list.csv.gz", "list.tsv"])
@pytest.mark.parametrize("kind", ["one line", "one row of many lines"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    # Given: 20 MB; as gzip, 20 KB.
    monkeypatch.setattr(lines, "MAX_LINE", 1_000_000)
    content = b"x" * 20_000_000 if kind == "one line" else b'x,"' + b'\n","' * 5_000_000
    if kind != "one line" and "csv" not in name:
        content = content.replace(b"\n", b" ")
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)

    # When
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"{name}, line \d+: longer than 1000000 characters"):
        list(Input(str(tmp_path / name)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Then: an all but empty cell costs 60 bytes.
    assert peak < (8_000_000 if kind == "one line" else 60_000_000)


def test_a_folder_that_may_not_be_read_is_said_rather_than_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    source = Input(str(tmp_path))
    assert list(source) == []

    with pytest.MonkeyPatch.context() as patch:
        scandir = os.scandir
        patch.setattr(os, "scandir", lambda path: scandir("/nowhere" if str(path).rstrip("/").endswith("/a") else path))
        with pytest.raises(InputError, match="cannot be read"):
            list(source)


@pytest.mark.parametrize("source", ["http://shop/list.csv", "gs://x", "data:,x", "file://host/a"])
def test_an_input_that_is_no_path_says_what_it_takes(source: str) -> None:
    with pytest.raises(InputError, match="no local path"):
        Input(source)


@pytest.mark.parametrize("source", ["nowhere", "", "a\0b", "x" * 300], ids=["missing", "empty", "nul", "too long"])
def test_an_input_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError):
        list(Input(source))


def test_a_file_of_another_kind_says_what_lists_end_in(tmp_path: Path) -> None:
    (tmp_path / "list.xlsx").touch()

    with pytest.raises(InputError, match=r"\.txt, \.csv, \.tsv, \.jsonl, \.ndjson .* or \.parquet"):
        Input(str(tmp_path / "list.xlsx"))


def test_a_file_name_that_is_no_text_is_said(tmp_path: Path) -> None:
    # Given: a name in an encoding of former times, which Linux allows.
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb"):  # noqa: PTH123 - a name in bytes
        pass

    with pytest.raises(InputError, match="UTF-8"):
        list(Input(str(tmp_path)))
