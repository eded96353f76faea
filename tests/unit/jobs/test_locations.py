"""Places in S3 by their URIs, which may come from strangers."""

from __future__ import annotations

import pytest

from askpix.producer.errors import StorageError
from askpix.producer.locations import MAX_KEY_BYTES, S3Location


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://shop", "shop", ""),
        ("s3://shop/", "shop", ""),
        ("S3://shop/a", "shop", "a"),
        ("s3://shop/a/b.jpg", "shop", "a/b.jpg"),
        ("s3://shop/a/", "shop", "a"),
        ("s3://shop/a b%20c?d=e#f", "shop", "a b%20c?d=e#f"),
        ("s3://shop/ä/日本.jpg", "shop", "ä/日本.jpg"),
        ("s3://shop/..a/b../...", "shop", "..a/b../..."),
        ("s3://shop/\\..\\a", "shop", "\\..\\a"),
        ("s3://My_Old.bucket-1/a", "My_Old.bucket-1", "a"),
        ("s3://shop/" + "x" * MAX_KEY_BYTES, "shop", "x" * MAX_KEY_BYTES),
    ],
)
def test_a_key_is_taken_literally(uri: str, bucket: str, key: str) -> None:
    location = S3Location.parse(uri)
    assert location == S3Location(bucket, key)
    assert S3Location.parse(location.uri) == location


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "s3:",
        "s3://",
        "s3:///a",
        "s3:/shop/a",
        "s3a://shop/a",
        "http://shop/a",
        "shop/a",
        " s3://shop/a",
        "s3://ab/a",
        "s3://" + "x" * 64 + "/a",
        "s3://sh op/a",
        "s3://shop?x/a",
        "s3://shop:80/a",
        "s3://me:secret@shop/a",
        "s3://.shop/a",
        "s3://shop-/a",
        "s3://sh..op/a",
        "s3://127.0.0.1/a",
        "s3://shöp/a",
        "s3://shop\n/a",
        "s3://arn:aws:s3:::shop/a",
        "s3://shop//a",
        "s3://shop//",
        "s3://shop/a//b",
        "s3://shop/a//",
        "s3://shop/.",
        "s3://shop/../a",
        "s3://shop/a/../b",
        "s3://shop/a/..",
        "s3://shop/a\0",
        "s3://shop/a\nb",
        "s3://shop/a\x1b[2J",
        "s3://shop/a\x85b",
        "s3://shop/a\u2028b",
        "s3://shop/a\ud800b",
        "s3://shop/" + "x" * (MAX_KEY_BYTES + 1),
        "s3://shop/" + "ä" * (MAX_KEY_BYTES // 2 + 1),
    ],
)
def test_what_is_no_place_in_s3_is_refused(uri: str) -> None:
    with pytest.raises(StorageError, match="is no place in S3") as raised:
        S3Location.parse(uri)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("inner", "outer", "is_under"),
    [
        ("s3://shop/a/b", "s3://shop/a", True),
        ("s3://shop/a/b", "s3://shop/a/", True),
        ("s3://shop/a", "s3://shop/a", True),
        ("s3://shop/a", "s3://shop", True),
        ("s3://shop", "s3://shop", True),
        ("s3://shop/ab", "s3://shop/a", False),
        ("s3://shop/a", "s3://shop/a/b", False),
        ("s3://shop", "s3://shop/a", False),
        ("s3://shop2/a", "s3://shop", False),
    ],
)
def test_a_place_is_under_another_by_whole_segments(inner: str, outer: str, is_under: bool) -> None:
    assert S3Location.parse(inner).is_under(S3Location.parse(outer)) is is_under


def test_an_error_shows_a_key_without_what_a_terminal_acts_on() -> None:
    shown = S3Location("shop", "a\u202eb\u200b" + "x" * 500).shown
    assert shown.startswith("s3://shop/a\\u202eb\\u200bx")
    assert shown.isprintable()
    assert len(shown) < 300
