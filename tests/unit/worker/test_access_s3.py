"""What a worker may read and write in S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.s3_server import S3Server, using

from askpix.producer.errors import AskpixError, MessageError, StorageError
from askpix.producer.locations import S3Location
from askpix.worker.access import Access


@pytest.mark.parametrize(
    ("root", "job", "may"),
    [
        ("s3://shop", "s3://shop/job", True),
        ("s3://shop/", "s3://shop/a/b/job/", True),
        ("s3://shop/jobs", "s3://shop/jobs", True),
        ("s3://shop/jobs", "s3://shop/jobs/spring", True),
        ("S3://shop/jobs/", "s3://shop/jobs/spring", True),
        ("s3://shop/jobs", "S3://shop/jobs/spring", True),
        ("s3://shop/jobs", "s3://shop/jobs2/spring", False),
        ("s3://shop/jobs", "s3://shop/job", False),
        ("s3://shop/jobs", "s3://shop", False),
        ("s3://shop/jobs", "s3://shop2/jobs/spring", False),
        ("s3://shop/jobs", "s3://Shop/jobs/spring", False),
        ("s3://shop/jobs", "s3://shop/jobs/../secret", False),
        ("s3://shop/jobs", "s3://shop/jobs/./spring", False),
        ("s3://shop/jobs", "s3://shop//jobs/spring", False),
        ("s3://shop/jobs", "s3://shop/jobs//spring", False),
        ("s3://shop/jobs", "s3://shop/%6aobs/spring", False),
        ("s3://shop/jobs", "s3://shop/jobs/a\0b", False),
        ("s3://shop/jobs", "s3://me@shop/jobs/spring", False),
        ("s3://shop/jobs", "s3://shop:80/jobs/spring", False),
        ("s3://shop/jobs", "s3:/shop/jobs/spring", False),
        ("s3://shop/jobs", "shop/jobs/spring", False),
        ("s3://shop/jobs", "/shop/jobs/spring", False),
        ("s3://shop/jobs", "https://shop.s3.amazonaws.com/jobs/spring", False),
        ("/", "s3://shop/jobs", False),
    ],
)
def test_job_folders_are_opened_under_a_root_by_whole_names(root: str, job: str, may: bool) -> None:
    access = Access.of(storage_roots=[root])
    if may:
        assert access.open_job(job).uri == S3Location.parse(job).uri
    else:
        with pytest.raises(MessageError, match="outside this worker's storage roots") as raised:
            access.open_job(job)
        assert raised.value.reason == "outside"
        assert str(raised.value).isprintable()


def test_a_whole_bucket_is_no_job_folder_even_where_all_of_it_is_open() -> None:
    with pytest.raises(StorageError, match="whole bucket"):
        Access.of(storage_roots=["s3://shop"]).open_job("s3://shop")


@pytest.mark.parametrize(
    ("open_", "own", "image", "may"),
    [
        ([], None, "s3://shop/a.jpg", False),
        ([], "shop", "s3://shop/a.jpg", True),
        ([], "shop", "s3://shop2/a.jpg", False),
        (["shop"], None, "s3://shop/a/b.jpg", True),
        (["shop"], None, "s3://shop2/a.jpg", False),
        (["shop"], None, "s3://sho/a.jpg", False),
        (["shop/img"], None, "s3://shop/img/a.jpg", True),
        (["shop/img/"], None, "s3://shop/img/a.jpg", True),
        (["s3://shop/img"], None, "s3://shop/img/a.jpg", True),
        (["shop/img"], None, "s3://shop/img2/a.jpg", False),
        (["shop/img"], None, "s3://shop/secret/a.jpg", False),
        (["shop/img", "other"], None, "s3://other/a.jpg", True),
    ],
)
def test_images_are_read_from_open_buckets_and_the_jobs_own(
    open_: list[str], own: str | None, image: str, may: bool
) -> None:
    assert Access.of(buckets=open_).may_read_object(S3Location.parse(image), own) is may


@pytest.mark.parametrize("bucket", ["", "*", "a", "sh op", "shop/../x", "http://shop", "-shop", "127.0.0.1"])
def test_a_bucket_that_is_none_is_refused(bucket: str) -> None:
    with pytest.raises(AskpixError, match="--allow-bucket"):
        Access.of(buckets=[bucket])


def test_a_root_in_s3_that_is_none_is_refused() -> None:
    with pytest.raises(AskpixError, match="--storage-root: 's3://sh op' is no place in S3"):
        Access.of(storage_roots=["s3://sh op"])


# What an ask may write. -----------------------------------------------------------------------------


@pytest.fixture
def bucket(s3: S3Server) -> Iterator[str]:
    """A bucket with a job in `jobs/spring`."""
    bucket = s3.bucket()
    s3.put(f"s3://{bucket}/jobs/spring/job.json", b"{}")
    with using(s3.environment):
        yield bucket


@pytest.mark.parametrize("root", ["", "/jobs"])
@pytest.mark.parametrize("name", ["jobs/1.json", "jobs/a/b/1.json", "jobs/results/ä?#%20.json", "jobs/spring2/1.json"])
def test_the_output_of_an_ask_goes_under_a_root(s3: S3Server, bucket: str, root: str, name: str) -> None:
    # When
    storage, file = Access.of(storage_roots=[f"s3://{bucket}{root}"]).open_output(f"s3://{bucket}/{name}")
    storage.write(file, b"{}")

    # Then
    assert s3.keys(bucket) == sorted(["jobs/spring/job.json", name])


@pytest.mark.parametrize(
    "uri",
    [
        "s3://{bucket}",
        "s3://{bucket}/1.json",
        "s3://{bucket}/jobs2/1.json",
        "s3://{bucket}/jobs",
        "s3://{bucket}/jobs/",
        "s3://{bucket}/jobs/1",
        "s3://{bucket}/jobs/1.json/",
        "s3://{bucket}/jobs/.json",
        "s3://{bucket}/jobs/../1.json",
        "s3://{bucket}/jobs/a/job.json",
        "s3://{bucket}/jobs/new/rounds/001.json",
        "s3://{bucket}/jobs/new/corrections/000001.json",
        "s3://{bucket}/jobs/spring/1.json",
        "s3://{bucket}/jobs/spring/a/b/1.json",
        "s3://{bucket}/jobs/spring/results/1.json",
        "s3://{bucket}/jobs/" + "a/" * 9 + "1.json",
        "s3://elsewhere/jobs/1.json",
        "/jobs/1.json",
    ],
)
def test_any_other_output_is_refused(bucket: str, uri: str) -> None:
    with pytest.raises(MessageError) as raised:
        Access.of(storage_roots=[f"s3://{bucket}/jobs"]).open_output(uri.format(bucket=bucket))
    assert raised.value.reason == "outside"


def test_an_output_right_in_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(MessageError, match="must be in a folder"):
        Access.of(storage_roots=[f"s3://{bucket}"]).open_output(f"s3://{bucket}/1.json")
