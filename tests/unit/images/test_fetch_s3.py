"""Fetching images from S3: out of buckets that are open, from the worker's own server, within their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from helpers.http_server import closed_port
from helpers.lasting import lasts
from helpers.s3_server import Answer, S3Server, broken_s3, environment, says, sends, using

from askpix.worker.access import Access
from askpix.worker.images import fetch_rules, objects
from askpix.worker.images.fetch import Fetcher
from askpix.worker.images.fetch_rules import FetchRules
from askpix.worker.item_errors import ImageError

BODY = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the client's pauses before another try."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    """May read the bucket `shop`."""
    fetcher = Fetcher(Access.of(buckets=["shop"]))
    yield fetcher
    fetcher.close()


def _error(fetch_: Callable[[], object]) -> ImageError:
    with pytest.raises(ImageError) as raised:
        fetch_()
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 500
    return raised.value


@pytest.mark.parametrize("key", ["a.jpg", "img/a b%20?#ä.jpg", "..a/…"])
def test_an_image_is_read_out_of_an_open_bucket(s3: S3Server, bucket: str, key: str) -> None:
    uri = s3.put(f"s3://{bucket}/{key}", BODY)
    assert Fetcher(Access.of(buckets=[bucket])).fetch(uri) == BODY
    assert Fetcher(Access()).fetch(uri, own_bucket=bucket) == BODY


def test_many_threads_read_at_a_time(s3: S3Server, bucket: str) -> None:
    fetcher = Fetcher(Access.of(buckets=[bucket]), FetchRules(connections=8))
    uris = [s3.put(f"s3://{bucket}/{number}.jpg", bytes([number])) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fetcher.fetch, uris)) == [bytes([number]) for number in range(40)]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("s3://other/a.jpg", "not_allowed"),
        ("s3://shop2/a.jpg", "not_allowed"),
        ("S3://other/a.jpg", "not_allowed"),
        ("s3://", "bad_reference"),
        ("s3:///a.jpg", "bad_reference"),
        ("s3://shop", "bad_reference"),
        ("s3://shop/", "bad_reference"),
        ("s3://shop/img/", "bad_reference"),
        ("s3://shop//a.jpg", "bad_reference"),
        ("s3://shop/../other/a.jpg", "bad_reference"),
        ("s3://shop/a\n.jpg", "bad_reference"),
        ("s3://shop/a\0.jpg", "bad_reference"),
        ("s3://shop/" + "x" * 5_000, "bad_reference"),
        ("s3://me:secret@shop/a.jpg", "bad_reference"),
        ("s3://shop:9000/a.jpg", "bad_reference"),
        ("s3://shop\\@other/a.jpg", "bad_reference"),
        ("s3a://shop/a.jpg", "scheme_not_supported"),
    ],
)
def test_what_must_not_be_read_is_not_asked_for(fetcher: Fetcher, reference: str, code: str) -> None:
    with broken_s3(sends(BODY)) as server:
        error = _error(lambda: fetcher.fetch(reference))
    assert (error.code, error.retryable) == (code, False)
    assert server.asked == []
    if code == "not_allowed":
        assert "--allow-bucket" in error.message


def test_an_object_and_a_bucket_that_are_not_there_are_told_apart(bucket: str) -> None:
    fetcher = Fetcher(Access.of(buckets=[bucket, "no-such-bucket"]))
    for uri, expected in (
        (f"s3://{bucket}/no.jpg", ("object_not_found", True)),
        ("s3://no-such-bucket/a.jpg", ("bucket_not_found", False)),
    ):
        error = _error(lambda uri=uri: fetcher.fetch(uri))  # type: ignore[misc]
        assert (error.code, error.retryable) == expected
        assert uri in error.message


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        pytest.param(says(403, "AccessDenied"), "object_denied", False, id="denied"),
        pytest.param(says(403, "InvalidAccessKeyId"), "object_failed", True, id="keys"),
        pytest.param(says(503, "SlowDown"), "object_failed", True, id="slow down"),
        pytest.param(says(403, "InvalidObjectState"), "object_denied", False, id="archived"),
        pytest.param(sends(b"x", status=418), "object_failed", True, id="something else"),
        pytest.param(sends(b"half", promised=100), "object_failed", True, id="cut short"),
    ],
)
def test_what_a_server_answers_instead_has_a_code(fetcher: Fetcher, answer: Answer, code: str, retryable: bool) -> None:
    with broken_s3(answer):
        error = _error(lambda: fetcher.fetch("s3://shop/a.jpg"))
    assert (error.code, error.retryable) == (code, retryable)


def test_a_worker_without_credentials_fails_in_a_way_that_can_be_tried_again(fetcher: Fetcher) -> None:
    with using(environment("http://127.0.0.1:9", key=None)):
        error = _error(lambda: fetcher.fetch("s3://shop/a.jpg"))
    assert (error.code, error.retryable) == ("object_failed", True)
    assert "AWS_ACCESS_KEY_ID" in error.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense"])
def test_a_wrong_endpoint_fails_in_a_way_that_can_be_tried_again(fetcher: Fetcher, url: str) -> None:
    with closed_port() as port, using(environment(url.format(port=port))):
        error = _error(lambda: fetcher.fetch("s3://shop/a.jpg"))
    assert (error.code, error.retryable) == ("object_failed", True)
    assert "AWS_ENDPOINT_URL" in error.message


# Too much, too slow. --------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "is_read"), [(1_000, True), (1_001, False)])
def test_an_object_of_too_many_bytes_is_refused(s3: S3Server, bucket: str, size: int, is_read: bool) -> None:
    # Given
    uri = s3.put(f"s3://{bucket}/large.jpg", bytes(size))
    fetcher = Fetcher(Access.of(buckets=[bucket]), FetchRules(max_bytes=1_000))

    # Then
    if is_read:
        assert fetcher.fetch(uri) == bytes(size)
    else:
        assert _error(lambda: fetcher.fetch(uri)).code == "too_many_bytes"


def test_an_endless_object_is_let_go(fetcher: Fetcher) -> None:
    # Given
    let_go = threading.Event()

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        sends(b"", promised=1 << 40)(request)
        ends = time.monotonic() + 10
        try:
            while time.monotonic() < ends:
                request.wfile.write(bytes(65_536))
        except OSError:
            let_go.set()

    # Then
    with broken_s3(endless):
        assert _error(lambda: fetcher.fetch("s3://shop/a.jpg")).code == "too_many_bytes"
        assert let_go.wait(10)


def test_an_object_that_comes_byte_by_byte_is_let_go(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a server that never lets a single read wait for long
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 0.5)
    let_go = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        sends(b"", promised=100_000)(request)
        try:
            for _ in range(500):
                request.wfile.write(b"x")
                lasts(0.02)
        except OSError:
            let_go.set()

    # Then
    with broken_s3(slow):
        started = time.monotonic()
        error = _error(lambda: fetcher.fetch("s3://shop/a.jpg"))
        assert (error.code, error.retryable) == ("timeout", True)
        assert time.monotonic() - started < 5
        assert let_go.wait(10)


def test_a_server_that_is_silent_is_let_go(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "READ_SECONDS", 0.2)
    let_go = threading.Event()
    with broken_s3(lambda _: let_go.wait(30) and None) as server:
        error = _error(lambda: fetcher.fetch("s3://shop/a.jpg"))
        let_go.set()
    assert (error.code, error.retryable) == ("object_failed", True)
    assert len(server.asked) == objects.ATTEMPTS
