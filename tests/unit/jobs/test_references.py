"""Completing image references: what a relative one counts from, and what stays as it is."""

from __future__ import annotations

import pytest

from askpix.producer.errors import InputError
from askpix.producer.inputs import complete


@pytest.mark.parametrize("base", ["/shop", "s3://shop/photos", "s3://shop", "https://cdn.example.com/photos"])
@pytest.mark.parametrize(
    "reference",
    [
        "http://example.com/a b.jpg?x=1#y",
        "HTTPS://example.com/../a.jpg",
        "s3://other/../a.jpg",
        "data:image/png;base64,AAAA",
        "file:///other/a%20b.jpg",
        "ftp://x/y",
    ],
)
def test_uris_stay(reference: str, base: str) -> None:
    assert complete(reference, base) == reference


@pytest.mark.parametrize(
    ("reference", "base", "whole"),
    [
        # A local folder.
        ("a.jpg", "/shop", "/shop/a.jpg"),
        ("a.jpg", "/shop/", "/shop/a.jpg"),
        ("a.jpg", "/", "/a.jpg"),
        ("a.jpg", "file:///the%20shop", "/the shop/a.jpg"),
        ("sub/../a.jpg", "/shop", "/shop/sub/../a.jpg"),
        ("/other/a.jpg", "/shop", "/other/a.jpg"),
        ("photo:1.jpg", "/shop", "/shop/photo:1.jpg"),
        # S3: literally, except for '.' and '..'.
        ("a.jpg", "s3://shop", "s3://shop/a.jpg"),
        ("a.jpg", "s3://shop/photos/", "s3://shop/photos/a.jpg"),
        ("/2026/a.jpg", "s3://shop/photos", "s3://shop/photos/2026/a.jpg"),
        ("./x/./a.jpg", "s3://shop/photos", "s3://shop/photos/x/a.jpg"),
        ("../x/../a.jpg", "s3://shop/photos", "s3://shop/a.jpg"),
        ("x\\..\\a.jpg", "s3://shop/photos", "s3://shop/photos/x\\..\\a.jpg"),
        ("a b#1?é%20.jpg", "s3://shop/photos", "s3://shop/photos/a b#1?é%20.jpg"),
        (".thumbs/..a.jpg", "s3://shop/photos", "s3://shop/photos/.thumbs/..a.jpg"),
        # HTTP: what a URL cannot hold is quoted.
        ("a.jpg", "https://cdn.example.com", "https://cdn.example.com/a.jpg"),
        ("a.jpg", "HTTP://cdn.example.com:8080/x/", "http://cdn.example.com:8080/x/a.jpg"),
        ("/2026/a.jpg", "https://cdn.example.com/x", "https://cdn.example.com/x/2026/a.jpg"),
        ("./../y/a.jpg?w=../1", "https://cdn.example.com/x", "https://cdn.example.com/y/a.jpg?w=../1"),
        ("a b#1é.jpg", "https://cdn.example.com/x y", "https://cdn.example.com/x%20y/a%20b%231%C3%A9.jpg"),
        ("50%.jpg", "https://cdn.example.com", "https://cdn.example.com/50%25.jpg"),
        ("a%20b%zz.jpg?w=1&h=2", "https://cdn.example.com", "https://cdn.example.com/a%20b%25zz.jpg?w=1&h=2"),
    ],
)
def test_relative_references_count_from_the_base(reference: str, base: str, whole: str) -> None:
    assert complete(reference, base) == whole


@pytest.mark.parametrize(
    ("reference", "base"),
    [
        ("../a.jpg", "s3://shop"),
        ("x/../../../a.jpg", "s3://shop/photos"),
        ("/../../a.jpg", "s3://shop/photos"),
        ("../a.jpg", "https://cdn.example.com"),
        ("../../a.jpg", "https://cdn.example.com/x"),
    ],
)
def test_a_reference_does_not_leave_its_bucket_or_site(reference: str, base: str) -> None:
    with pytest.raises(InputError, match="leaves"):
        complete(reference, base)


@pytest.mark.parametrize(
    "base", ["", "ftp://x", "gs://x/y", "data:,x", "s3://", "s3://x/../y", "https://", "http://x/?a=1", "http://x/#a"]
)
def test_a_base_of_another_kind_is_refused(base: str) -> None:
    with pytest.raises(InputError):
        complete("a.jpg", base)
