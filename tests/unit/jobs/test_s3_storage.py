"""The contract of a storage, kept by folders on a disk and in S3 alike."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from helpers.s3_server import S3Server, broken_s3, says, using

from askpix.producer.errors import StorageError, TooLargeError
from askpix.producer.s3 import S3Storage, list_objects
from askpix.producer.storage import LocalStorage, Storage
from askpix.producer.storage_opening import open_storage

THREADS = 16


@pytest.fixture
def client(s3: S3Server) -> Iterator[None]:
    """Points this process to the server."""
    with using(s3.environment):
        yield


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return open_storage(str(tmp_path / "job"))
    request.getfixturevalue("client")
    s3: S3Server = request.getfixturevalue("s3")
    return open_storage(f"s3://{s3.bucket()}/jobs/first")


def test_what_is_written_is_read_and_replaced(storage: Storage) -> None:
    storage.write("a/b/c d%20é.json", b"one")
    storage.write("a/b/c d%20é.json", b"")
    storage.write("a/b/c d%20é.json", b"two")

    assert storage.read("a/b/c d%20é.json") == b"two"
    assert storage.exists("a/b/c d%20é.json")


def test_no_more_is_read_than_may_be_held(storage: Storage) -> None:
    storage.write("three", b"123")

    assert storage.read("three", most=3) == b"123"
    with pytest.raises(TooLargeError, match=r"three has 0 MB, and no askpix writes more than 0"):
        storage.read("three", most=2)


def test_a_large_file_comes_back_whole(storage: Storage) -> None:
    data = bytes(range(256)) * 40_000
    storage.write("large", data)
    assert storage.read("large") == data


def test_what_is_not_there_is_a_missing_file(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read("nothing")

    assert not storage.exists("nothing")
    assert list(storage.names("nowhere")) == []


def test_it_tells_when_files_were_written(storage: Storage) -> None:
    before = time.time()
    for name in ("results/b", "results/a", "results/.hidden", "results/deeper/c", "other/d"):
        storage.write(name, b"x")

    times = storage.times("results")

    assert sorted(times) == ["a", "b"]
    # S3 counts whole seconds, by its own clock.
    assert all(before - 2 < at < time.time() + 2 for at in times.values())
    assert storage.times("nowhere") == {}


def test_a_file_is_created_once(storage: Storage) -> None:
    assert storage.create("model.json", b"one")
    assert not storage.create("model.json", b"two")
    assert storage.read("model.json") == b"one"


def test_one_of_many_creators_wins_and_the_others_know(storage: Storage) -> None:
    together = Barrier(THREADS)

    def create(number: int) -> bool:
        together.wait()
        return storage.create("model.json", str(number).encode())

    with ThreadPoolExecutor(THREADS) as pool:
        created = list(pool.map(create, range(THREADS)))

    assert created.count(True) == 1
    assert storage.read("model.json") == str(created.index(True)).encode()
    assert list(storage.names("")) == ["model.json"]
    if isinstance(storage, LocalStorage):
        assert os.listdir(storage.root) == ["model.json"]  # noqa: PTH208 - hidden files too


def test_names_are_those_of_the_files_right_in_the_folder(storage: Storage) -> None:
    # Given
    for name in (
        "results/b",
        "results/a",
        "results/é",
        "results/Z",
        "results/.hidden",
        "results/deeper/x",
        "results2/y",
    ):
        storage.write(name, b"")

    # Then
    assert list(storage.names("results")) == ["Z", "a", "b", "é"]
    assert list(storage.names("")) == []


def test_what_is_removed_is_gone_and_can_be_removed_again(storage: Storage) -> None:
    storage.write("partial/x", b"")

    storage.remove("partial/x")
    storage.remove("partial/x")
    storage.remove("nowhere/x")

    assert not storage.exists("partial/x")
    assert list(storage.names("partial")) == []


def test_the_uri_of_a_storage_opens_the_same_storage(storage: Storage) -> None:
    storage.write("file", b"data")
    assert open_storage(storage.uri).read("file") == b"data"


# In S3 only. ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("client")
def test_a_folder_of_more_files_than_fit_on_a_page_is_listed_whole(s3: S3Server) -> None:
    # Given
    bucket = s3.bucket()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put(f"s3://{bucket}/job/results/{number:04}", b""), range(1_010)))

    # Then
    assert list(S3Storage(f"s3://{bucket}/job").names("results")) == [f"{number:04}" for number in range(1_010)]
    assert len(list(list_objects(f"s3://{bucket}"))) == 1_010


def test_opening_asks_no_network() -> None:
    with broken_s3(says(500, "InternalError")) as server:
        open_storage("s3://shop/jobs/spring")
    assert server.asked == []


@pytest.mark.parametrize("uri", ["s3://shop", "s3://shop/"])
def test_a_whole_bucket_is_no_place_for_a_job(uri: str) -> None:
    with pytest.raises(StorageError, match=r"s3://shop is a whole bucket.*such as s3://shop/jobs/first"):
        open_storage(uri)
