"""Thumbnails: of the very bytes that were answered, in their own proportions, and no file of anybody's beside them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.http_server import Server
from helpers.pictures import jpeg
from helpers.s3_server import S3Server, using
from PIL import Image

from askpix.producer.report.pictures import Picture
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.thumbnails import SIDE, Thumbnails, form_of


@pytest.fixture(scope="module")
def thumbnails() -> Iterator[Thumbnails]:
    made = Thumbnails(Access.of(files_roots=["/"], networks=["127.0.0.0/8"]), Settings(decode_processes=1))
    yield made
    made.close()


def png(width: int, height: int) -> bytes:
    data = io.BytesIO()
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    Image.fromarray(ramp).save(data, "PNG")
    return data.getvalue()


def picture(path: Path | str, data: bytes, size: tuple[int, int]) -> Picture:
    return Picture(reference=str(path), sha256=hashlib.sha256(data).hexdigest(), width=size[0], height=size[1])


def stored(folder: Path, width: int, height: int, name: str = "a.png") -> Picture:
    data = png(width, height)
    (folder / name).write_bytes(data)
    return picture(folder / name, data, (width, height))


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((640, 480), (256, 192)),
        ((480, 640), (192, 256)),
        ((257, 3), (256, 3)),
        ((2_000, 1), (256, 1)),
        ((40, 30), (40, 30)),
    ],
)
def test_a_thumbnail_has_the_images_proportions_and_is_never_larger(
    thumbnails: Thumbnails, tmp_path: Path, size: tuple[int, int], small: tuple[int, int]
) -> None:
    (made,) = thumbnails([stored(tmp_path, *size)])

    assert made.problem is None
    assert made.data is not None
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.format == "WEBP"
        assert image.size == small
        # From black to white, as the image is.
        row = np.asarray(image.convert("L"))[0]
    assert row[0] < 30
    assert row[-1] > 225


def test_a_row_that_lies_about_the_size_stretches_nothing(thumbnails: Thumbnails, tmp_path: Path) -> None:
    lying = replace(stored(tmp_path, 400, 200), width=1, height=60_000)

    (made,) = thumbnails([lying])

    assert made.data is not None
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.size == (SIDE, SIDE // 2)


def test_bytes_that_no_worker_has_read_are_not_shown(thumbnails: Thumbnails, tmp_path: Path) -> None:
    # Given: a list that names somebody's own picture, under the digest of another.
    secret = stored(tmp_path, 64, 64)
    smuggled = replace(secret, sha256="0" * 64)

    (made,) = thumbnails([smuggled])

    assert (made.data, made.problem) == (None, "image_changed")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("/nowhere/a.png", "file_not_found"),
        ("/dev/zero", "not_a_file"),
        ("/proc/self/environ", "image_changed"),
        ("http://10.0.0.1/a.png", "not_allowed"),
        ("s3://shop/a.png", "not_allowed"),
        ("ftp://shop.example/a.png", "scheme_not_supported"),
        ("data:image/png;base64,!", "bad_reference"),
        ("\0", "bad_reference"),
    ],
)
def test_what_cannot_be_had_says_why(thumbnails: Thumbnails, reference: str, problem: str) -> None:
    (made,) = thumbnails([Picture(reference=reference, sha256="0" * 64, width=9, height=9)])

    assert (made.data, made.problem) == (None, problem)


def test_where_all_files_may_be_read_a_gallery_does_not_tell_which_are_there(tmp_path: Path) -> None:
    there = picture(tmp_path / "there", b"other bytes", (8, 8))
    (tmp_path / "there").write_bytes(b"bytes")
    asked = [there, picture("/none/at/all.jpg", b"x", (8, 8)), picture(f"file://{tmp_path}", b"x", (8, 8))]

    quiet = Thumbnails(Access.of(files_roots=["/"]), Settings(decode_processes=1), tells_of_files=False)
    try:
        assert {made.problem for made in quiet(asked)} == {"image_unavailable"}
    finally:
        quiet.close()


def test_what_is_no_image_is_no_picture(thumbnails: Thumbnails, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"not an image")

    (made,) = thumbnails([picture(tmp_path / "notes.txt", b"not an image", (9, 9))])

    assert (made.data, made.problem) == (None, "not_an_image")


def test_a_pipe_keeps_nobody_waiting(thumbnails: Thumbnails, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    (made,) = thumbnails([picture(tmp_path / "pipe", b"", (9, 9))])

    assert made.problem == "not_a_file"


def test_files_may_be_kept_to_some_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pictures = [stored(tmp_path / "in", 8, 8), stored(tmp_path, 8, 8)]
    kept = Thumbnails(Access.of(files_roots=[str(tmp_path / "in")]), Settings(decode_processes=0))

    made = list(kept(pictures))
    kept.close()

    assert [one.problem for one in made] == [None, "not_allowed"]


def test_pictures_come_in_their_order_from_the_web_and_from_disk(
    thumbnails: Thumbnails, server: Server, tmp_path: Path
) -> None:
    data = jpeg()
    url = server.put("/thumb.jpg", data)
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
    wanted = [stored(tmp_path, 8 + n, 8, f"{n}.png") if n % 3 else picture(url, data, size) for n in range(200)]

    made = list(thumbnails(iter(wanted)))

    assert [one.picture for one in made] == wanted
    assert {one.problem for one in made} == {None}


def test_the_jobs_own_bucket_is_read(s3: S3Server) -> None:
    data = png(12, 9)
    bucket = s3.bucket()
    s3.put(f"s3://{bucket}/a.png", data)
    with using(s3.environment):
        reader = Thumbnails(Access.of(), Settings(decode_processes=0), bucket)
        (made,) = reader([picture(f"s3://{bucket}/a.png", data, (12, 9))])
        reader.close()

    assert made.problem is None


def test_a_form_has_at_least_a_pixel() -> None:
    form = form_of(100_000, 1)

    assert (form.width, form.height) == (SIDE, 1)
