"""Every form of input gives the same items, on this machine and in S3; and a job of them can be kept in either."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.s3_server import S3Server, using

from askpix.producer import Item, Question
from askpix.producer.errors import InputError
from askpix.producer.inputs import Columns, Input
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.lists import lines
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job

NAMES = ("Image", "id", "group", "questions", "note")
TOLD = [
    ("a b.jpg", "1", "shelf", '["what is it?", {"text": "red?", "choices": ["yes", "no"]}]', 'said "hi"\nand left'),
    ("/sub/é.jpg", "2", None, None, "tab\there, comma"),
    ("http://example.com/d.jpg?x=1#y", None, None, "how many?", None),
]
ITEMS = [
    Item(
        image="a b.jpg",
        id="1",
        group="shelf",
        questions=(Question("what is it?"), Question("red?", choices=("yes", "no"))),
        extra={"note": 'said "hi"\nand left'},
    ),
    Item(image="/sub/é.jpg", id="2", extra={"note": "tab\there, comma"}),
    Item(image="http://example.com/d.jpg?x=1#y", questions=(Question("how many?"),), extra={"note": ""}),
]


def table(separator: str, line_end: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end)
    writer.writerows([NAMES, [], *TOLD])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def objects() -> bytes:
    rows = [dict(zip(NAMES, (*values[:4], values[4] or ""), strict=True)) for values in TOLD]
    return "\r\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def parquet() -> bytes:
    columns = [pa.array([values[place] for values in TOLD], pa.string()) for place in range(4)]
    buffer = io.BytesIO()
    table = pa.Table.from_arrays([*columns, pa.array([values[4] or "" for values in TOLD])], names=list(NAMES))
    pq.write_table(table, buffer)
    return buffer.getvalue()


FORMS: dict[str, Callable[[], bytes]] = {
    "list.csv": lambda: table(",", "\r\n"),
    "LIST.CSV": lambda: table(",", "\n"),
    "list.csv.gz": lambda: gzip.compress(table(",", "\n")),
    "list.tsv": lambda: table("\t", "\n"),
    "list.tsv.gz": lambda: gzip.compress(table("\t", "\r\n")),
    "list.jsonl": objects,
    "list.ndjson": objects,
    "list.jsonl.gz": lambda: gzip.compress(objects()[:100]) + gzip.compress(objects()[100:]),
    "list.parquet": parquet,
}


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Iterator[str]:
    """The path or URI of an empty folder."""
    with using(s3.environment):
        yield f"s3://{s3.bucket()}/lists" if request.param == "s3" else str(tmp_path)


def put(s3: S3Server, uri: str, data: bytes) -> str:
    if uri.startswith("s3://"):
        return s3.put(uri, data)
    Path(uri).parent.mkdir(parents=True, exist_ok=True)
    Path(uri).write_bytes(data)
    return uri


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_items_and_can_be_read_twice(place: str, s3: S3Server, name: str) -> None:
    source = Input(put(s3, f"{place}/{name}", FORMS[name]()))

    assert list(source) == ITEMS
    assert list(source) == ITEMS
    assert source.base == place


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz"])
def test_a_txt_has_an_image_a_line(place: str, s3: S3Server, name: str) -> None:
    text = "\ufeff a b.jpg\r\n\r\n/sub/é.jpg\nhttp://example.com/d.jpg?x=1#y".encode()

    source = Input(put(s3, f"{place}/{name}", gzip.compress(text) if name.endswith("gz") else text))

    assert [item.image for item in source] == [item.image for item in ITEMS]


@pytest.mark.parametrize("name", ["list.csv.gz", "list.tsv", "list.jsonl", "list.parquet"])
def test_columns_may_be_named(place: str, s3: S3Server, name: str) -> None:
    source = put(s3, f"{place}/{name}", FORMS[name]())

    first = next(iter(Input(source, columns=Columns(image="note", id="image", question="group"))))

    assert (first.image, first.id, first.questions) == ('said "hi"\nand left', "a b.jpg", (Question("shelf"),))
    with pytest.raises(InputError, match="no column 'sku': there are 'Image', 'id', 'group', 'questions', 'note'"):
        list(Input(source, columns=Columns(id="sku")))


IMAGES = ["a/.x/3.gif", "a/1.webp", "a/2.PNG", "a b#1?%20é.jpg", "b.jpg"]


def test_a_folder_gives_its_images_in_order(place: str, s3: S3Server) -> None:
    for name in (*IMAGES, "notes.txt", "c.jpg.bak", "a/list.csv"):
        put(s3, f"{place}/shop/{name}", b"")
    put(s3, f"{place}/shop2/x.jpg", b"")

    for source in (f"{place}/shop", f"{place}/shop/"):
        found = [item.image for item in Input(source)]
        if place.startswith("s3://"):
            # In S3, keys are in the order of their characters, and an item is known by all of its URI.
            assert found == [f"{place}/shop/{name}" for name in sorted(IMAGES)]
        else:
            assert found == IMAGES


def test_one_image_is_an_item(place: str, s3: S3Server) -> None:
    source = Input(put(s3, f"{place}/a b.JPG", b""))

    assert list(source) == [Item(image="a b.JPG")]
    assert source.base == place


@pytest.mark.parametrize("name", ["list.txt", "list.csv.gz", "list.jsonl", "list.parquet"])
def test_a_list_that_is_not_there_is_said(place: str, name: str) -> None:
    with pytest.raises(InputError, match="is not there"):
        list(Input(f"{place}/{name}"))


def test_a_prefix_without_images_says_what_lists_end_in(s3: S3Server) -> None:
    with using(s3.environment), pytest.raises(InputError, match=r"there are no images under .*list\.xlsx.*\.parquet"):
        list(Input(s3.put(f"s3://{s3.bucket()}/list.xlsx", b"")))


def test_an_address_that_s3_does_not_have_is_said() -> None:
    for source in ("s3://", "s3://x", "s3://shop/a/../list.csv", "s3://shop/a\nb"):
        with pytest.raises(InputError, match="no place in S3"):
            Input(source)


def test_a_cut_gzip_and_an_endless_line_are_said(place: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 1_000)
    packed = gzip.compress(b"x" * 10_000_000)

    with pytest.raises(InputError, match=r"list\.txt\.gz, line 1: longer than 1000"):
        list(Input(put(s3, f"{place}/list.txt.gz", packed)))
    with pytest.raises(InputError, match="copy it again"):
        list(Input(put(s3, f"{place}/list.csv.gz", gzip.compress(b"image\na.jpg\n")[:-4])))


@pytest.mark.parametrize("job_in_s3", [False, True])
def test_a_job_of_any_list_is_kept_in_any_place(place: str, s3: S3Server, tmp_path: Path, job_in_s3: bool) -> None:
    # Given
    source = Input(put(s3, f"{place}/list.csv", FORMS["list.csv"]()))
    folder = JobFolder(open_storage(f"s3://{s3.bucket()}/job" if job_in_s3 else str(tmp_path / "job")))

    # When
    spec = write_job(source, folder, Order(model="m", part_size=1), base=source.base)

    # Then
    items = [item for part in range(spec.parts) for item in folder.read_input(part, spec.id)]
    second = f"{place}/sub/é.jpg" if place.startswith("s3://") else "/sub/é.jpg"
    assert [item.image for item in items] == [f"{place}/a b.jpg", second, "http://example.com/d.jpg?x=1#y"]
    assert [item.id for item in items] == ["1", "2", "http://example.com/d.jpg?x=1#y"]
    assert [item.questions for item in items] == [item.questions for item in ITEMS]
    assert folder.spec() == spec


def test_images_under_a_prefix_are_known_by_their_uris(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.bucket()
    for name in IMAGES:
        s3.put(f"s3://{bucket}/{name}", b"")

    with using(s3.environment):
        source = Input(f"s3://{bucket}")
        folder = JobFolder(open_storage(str(tmp_path)))
        spec = write_job(source, folder, Order(model="m"), base=source.base)

    assert [(item.id, item.image) for item in folder.read_input(0, spec.id)] == [
        (f"s3://{bucket}/{name}", f"s3://{bucket}/{name}") for name in sorted(IMAGES)
    ]
