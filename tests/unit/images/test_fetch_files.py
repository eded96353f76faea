"""Fetching images from files, of which a worker may read some, and from data URIs."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from askpix.worker.access import Access
from askpix.worker.images.fetch import Fetcher, is_on_disk
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ImageError

BODY = bytes(range(256))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `open`, which may be read, and `secret`, which may not."""
    for folder in ("open/inner", "open-too", "secret"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("open/a.jpg", "open/with space.jpg", "open/photo:1.jpg", "open-too/a.jpg", "secret/a.jpg"):
        (tmp_path / name).write_bytes(BODY)
    (tmp_path / "open/way-out.jpg").symlink_to(tmp_path / "secret/a.jpg")
    (tmp_path / "open/way-out").symlink_to(tmp_path / "secret")
    (tmp_path / "open/way-round.jpg").symlink_to(tmp_path / "open/a.jpg")
    (tmp_path / "open/way-nowhere.jpg").symlink_to(tmp_path / "open/gone.jpg")
    (tmp_path / "open/loop.jpg").symlink_to(tmp_path / "open/loop.jpg")
    os.mkfifo(tmp_path / "open/pipe.jpg")
    return tmp_path


@pytest.fixture
def fetcher(place: Path) -> Fetcher:
    return Fetcher(Access.of(files_roots=[str(place / "open")]))


@pytest.mark.parametrize(
    "reference",
    [
        "{place}/open/a.jpg",
        "{place}/open/with space.jpg",
        "{place}/open/photo:1.jpg",
        "{place}/open/inner/../a.jpg",
        "{place}/secret/../open/a.jpg",
        "{place}/open/way-round.jpg",
        "file://{place}/open/a.jpg",
        "file://localhost{place}/open/with%20space.jpg",
    ],
)
def test_a_file_under_a_root_is_read(fetcher: Fetcher, place: Path, reference: str) -> None:
    assert fetcher.fetch(reference.format(place=place)) == BODY


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("{place}/secret/a.jpg", "not_allowed"),
        ("{place}/secret/not-there.jpg", "not_allowed"),  # nor is it told whether it is there
        ("{place}/open-too/a.jpg", "not_allowed"),
        ("{place}/open/../secret/a.jpg", "not_allowed"),
        ("{place}/open/way-out.jpg", "not_allowed"),
        ("{place}/open/way-out/a.jpg", "not_allowed"),
        ("file://{place}/open/%2e%2e/secret/a.jpg", "not_allowed"),
        ("/etc/passwd", "not_allowed"),
        ("/proc/self/environ", "not_allowed"),
        ("/dev/zero", "not_allowed"),
        ("a.jpg", "not_allowed"),
        ("{place}/open/not-there.jpg", "file_not_found"),
        ("{place}/open/way-nowhere.jpg", "file_not_found"),
        ("{place}/open/a.jpg/b.jpg", "file_not_found"),
        ("{place}/open/inner", "not_a_file"),
        ("{place}/open/pipe.jpg", "not_a_file"),
        ("{place}/open/loop.jpg", "file_unreadable"),
        ("{place}/open/" + "long" * 100, "file_unreadable"),
        ("{place}/open/a.jpg\0", "bad_reference"),
        ("", "bad_reference"),
        (" \n", "bad_reference"),
        ("file://elsewhere{place}/open/a.jpg", "scheme_not_supported"),
        ("s3a://bucket/a.jpg", "scheme_not_supported"),
        ("ftp://example.com/a.jpg", "scheme_not_supported"),
        ("gopher://127.0.0.1/", "scheme_not_supported"),
    ],
)
def test_any_other_reference_has_a_code(fetcher: Fetcher, place: Path, reference: str, code: str) -> None:
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(reference.format(place=place))
    assert raised.value.code == code
    assert raised.value.message.isprintable()


@pytest.mark.parametrize(("size", "is_read"), [(1_000, True), (1_001, False)])
def test_a_file_of_too_many_bytes_is_refused(place: Path, size: int, is_read: bool) -> None:
    # Given
    fetcher = Fetcher(Access.of(files_roots=[str(place / "open")]), FetchRules(max_bytes=1_000))
    large = place / "open" / "large.jpg"
    large.write_bytes(bytes(size))

    # Then
    if is_read:
        assert len(fetcher.fetch(str(large))) == size
    else:
        with pytest.raises(ImageError, match="larger than"):
            fetcher.fetch(str(large))


def test_without_roots_no_file_is_read(place: Path) -> None:
    with pytest.raises(ImageError, match="--files-root"):
        Fetcher(Access()).fetch(str(place / "open" / "a.jpg"))


@pytest.mark.parametrize(
    ("uri", "body"),
    [
        ("data:image/png;base64," + base64.b64encode(BODY).decode(), BODY),
        ("DATA:image/png;BASE64," + base64.b64encode(BODY).decode(), BODY),
        ("data:image/png;base64," + base64.b64encode(BODY).decode().replace("+", "%2B").replace("/", "%2F"), BODY),
        ("data:,a%20b%ff", b"a b\xff"),
        ("data:,", b""),
    ],
)
def test_a_data_uri_holds_its_image(fetcher: Fetcher, uri: str, body: bytes) -> None:
    assert fetcher.fetch(uri) == body


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("data:", "bad_reference"),
        ("data:image/png;base64", "bad_reference"),
        ("data:image/png;base64,a", "bad_reference"),
        ("data:image/png;base64,????", "bad_reference"),
        ("data:image/png;base64," + base64.b64encode(bytes(1_001)).decode(), "too_many_bytes"),
        ("data:image/png;base64," + base64.b64encode(bytes(100_000)).decode(), "too_many_bytes"),
        ("data:," + "x" * 1_001, "too_many_bytes"),
    ],
)
def test_a_data_uri_without_an_image_has_a_code(uri: str, code: str) -> None:
    with pytest.raises(ImageError) as raised:
        Fetcher(Access(), FetchRules(max_bytes=1_000)).fetch(uri)
    assert raised.value.code == code
    assert len(raised.value.message) < 200


@pytest.mark.parametrize(
    ("reference", "on_disk"),
    [
        ("a.jpg", True),
        ("/etc/hostname", True),
        ("FILE:///etc/hostname", True),
        ("file://elsewhere/a.jpg", True),
        ("https://example.com/a.jpg", False),
        ("s3://shop/a.jpg", False),
        ("data:image/png;base64,AAAA", False),
        ("ftp://example.com/a.jpg", False),
    ],
)
def test_what_is_read_from_a_disk_is_known(reference: str, on_disk: bool) -> None:
    assert is_on_disk(reference) == on_disk
