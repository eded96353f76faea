"""Objects in S3 as files: streamed, sought in, carried on after a broken connection, never of two versions."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from http.server import BaseHTTPRequestHandler

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.s3_server import S3Server, broken_s3, says, sends

from askpix.producer import s3_object
from askpix.producer.errors import StorageError
from askpix.producer.s3 import list_objects, open_object

DATA = bytes(range(256)) * 8_000


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_object, "_PAUSE_SECONDS", 0.001)


def test_an_object_is_read_from_end_to_end(s3: S3Server, bucket: str) -> None:
    with open_object(s3.put(f"s3://{bucket}/a b%20?#ä.bin", DATA)) as file:
        assert file.read() == DATA
        assert file.read() == b""


def test_an_empty_object_is_an_empty_file(s3: S3Server, bucket: str) -> None:
    with open_object(s3.put(f"s3://{bucket}/empty", b"")) as file:
        assert file.read() == b""


def test_a_file_is_sought_in(s3: S3Server, bucket: str) -> None:
    with open_object(s3.put(f"s3://{bucket}/a", DATA)) as file:
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
        assert file.read() == DATA[-10:]
        assert file.seek(1_000_000) == 1_000_000
        assert file.read(5) == DATA[1_000_000:1_000_005]
        assert file.seek(-2, os.SEEK_CUR) == 1_000_003
        assert file.read(3) == DATA[1_000_003:1_000_006]
        assert file.seek(len(DATA) + 5) == len(DATA) + 5
        assert file.read(1) == b""
        assert file.seek(0) == 0
        assert file.read() == DATA
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-1)


def test_a_compressed_csv_is_read_line_by_line(s3: S3Server, bucket: str) -> None:
    # Given
    rows = [[str(number), f"ä{number}"] for number in range(20_000)]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    uri = s3.put(f"s3://{bucket}/list.csv.gz", gzip.compress(text.getvalue().encode()))

    # Then
    with gzip.open(open_object(uri), "rt", encoding="utf-8", newline="") as lines:
        assert list(csv.reader(lines)) == rows


def test_a_parquet_file_is_read_group_by_group(s3: S3Server, bucket: str) -> None:
    # Given
    table = pa.table({"image": [f"s3://shop/{number}.jpg" for number in range(50_000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=10_000)

    # Then
    with open_object(s3.put(f"s3://{bucket}/list.parquet", sink.getvalue())) as source:
        file = pq.ParquetFile(source)
        assert file.num_row_groups == 5
        assert file.read_row_group(3).equals(table.slice(30_000, 10_000))
        assert pa.Table.from_batches(file.iter_batches(7_000)).equals(table)


def test_an_object_that_is_not_there_is_a_missing_file(bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="s3://"):
        open_object(f"s3://{bucket}/nothing")


def test_a_bucket_that_is_not_there_is_said(bucket: str) -> None:
    with pytest.raises(StorageError, match="there is no bucket no-such-bucket: create it, or check AWS_ENDPOINT_URL"):
        open_object("s3://no-such-bucket/a")


@pytest.mark.parametrize("action", ["put", "delete"])
def test_an_object_that_is_not_what_it_was_is_said(s3: S3Server, bucket: str, action: str) -> None:
    # Given
    uri = s3.put(f"s3://{bucket}/list", DATA)
    with open_object(uri) as file:
        file.read(10)

        # When
        if action == "put":
            s3.put(uri, DATA[::-1])
        else:
            s3.client.delete_object(Bucket=bucket, Key="list")

        # Then
        file.seek(1_500_000)
        with pytest.raises(StorageError, match=r"list .*(replaced|removed).* run the same command again"):
            file.read(10)


# Servers that break off. ----------------------------------------------------------------------------


class Flaky:
    """Sends what is asked for, but hangs up after so many bytes; knows parts of objects, or does not."""

    def __init__(self, step: int, *, ranges: bool = True) -> None:
        self.step = step
        self.ranges = ranges

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(found[1]) if found and self.ranges else 0
        headers = {"ETag": '"one"'}
        if found and self.ranges:
            headers["Content_Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        body = DATA[start : start + self.step]
        sends(body, status=206 if start else 200, promised=len(DATA) - start, **headers)(request)


def test_a_connection_that_breaks_off_is_carried_on_where_it_was() -> None:
    with broken_s3(Flaky(300_000)) as server, open_object("s3://shop/list") as file:
        assert file.read() == DATA
    assert len(server.asked) == 7
    assert [asked[2].get("Range") for asked in server.asked][:3] == [None, "bytes=300000-", "bytes=600000-"]
    assert all(asked[2]["If-Match"] == '"one"' for asked in server.asked[1:])


def test_a_connection_that_always_breaks_off_is_given_up() -> None:
    with broken_s3(Flaky(0)) as server, open_object("s3://shop/list") as file:
        with pytest.raises(StorageError, match=r"s3://shop/list cannot be read: the connection to 127.0.0.1:\d+ broke"):
            file.read()
        assert len(server.asked) == s3_object._TRIES


def test_a_server_without_parts_of_objects_is_said() -> None:
    with (
        broken_s3(Flaky(300_000, ranges=False)),
        open_object("s3://shop/list") as file,
        pytest.raises(StorageError, match="does not send parts of objects"),
    ):
        file.read()


def test_a_server_that_fails_on_the_way_is_said() -> None:
    with broken_s3(Flaky(300_000)) as server, open_object("s3://shop/list") as file:
        file.read(10)
        server.answer = says(403, "AccessDenied")
        with pytest.raises(StorageError, match="access is denied"):
            file.read()


# Listing. -------------------------------------------------------------------------------------------


def test_objects_are_listed_with_those_in_folders_and_without_the_folders(s3: S3Server, bucket: str) -> None:
    # Given
    for key in ("img/b.jpg", "img/a/1.jpg", "img/a/", "img/", "img/ä?#.jpg", "img2/x.jpg", "img.jpg"):
        s3.put(f"s3://{bucket}/{key}", b"")

    # Then
    inside = [f"s3://{bucket}/img/{name}" for name in ("a/1.jpg", "b.jpg", "ä?#.jpg")]
    assert list(list_objects(f"s3://{bucket}/img")) == list(list_objects(f"s3://{bucket}/img/")) == inside
    assert len(list(list_objects(f"s3://{bucket}"))) == 5
    assert list(list_objects(f"s3://{bucket}/nothing")) == []


def test_a_bucket_that_is_not_there_cannot_be_listed(bucket: str) -> None:
    with pytest.raises(StorageError, match="s3://no-such-bucket/a cannot be listed: there is no bucket no-such-bucket"):
        list(list_objects("s3://no-such-bucket/a"))
