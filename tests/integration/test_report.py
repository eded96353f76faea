"""`askpix report`: what it says, and what it needs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.galleries import picture_file, shop_rows, shown, write_job
from helpers.gallery_files import GalleryFiles
from helpers.processes import Ran, askpix, the_complaint
from helpers.rows import failed_row, ok_row
from helpers.s3_server import S3Server, using

from askpix.producer import Row


@pytest.fixture
def rows(images: Path) -> list[Row]:
    """A picture that is shown twice, a row that failed, one whose image has gone, and one that names another's."""
    mug = picture_file(images / "001-mug.jpg")
    smuggled = replace(shown(ok_row("smuggled"), mug), image=str(images / "010-hat.jpg"))
    gone = replace(shown(ok_row("gone"), mug), image="/nowhere/mug.jpg", sha256="0" * 64)
    return [shown(ok_row("a"), mug), shown(ok_row("b"), mug), failed_row("c"), gone, replace(smuggled, sha256="1" * 64)]


def test_a_page_is_written_and_said(tmp_path: Path, rows: list[Row]) -> None:
    write_job(tmp_path / "job", rows, items=9, part_size=5)

    ran = askpix("report", "job", cwd=tmp_path)

    assert ran == Ran(
        0,
        "",
        "job-gallery.html: 5 items, 1 picture; 2 items without a picture (2 x image_unavailable); "
        "4 without a result yet\n",
    )
    made = GalleryFiles(tmp_path / "job-gallery.html")
    key = rows[0].sha256[:24] if rows[0].sha256 else ""
    assert list(made.pictures) == [key]
    assert made.cards("pictures") == [key, key, "", "!image_unavailable", "!image_unavailable"]


def test_a_large_job_is_a_folder(tmp_path: Path, images: Path) -> None:
    files = [picture_file(path) for path in sorted(images.glob("*.jpg"))]
    write_job(tmp_path / "job", shop_rows(2_500, files), items=2_500)

    ran = askpix("report", "job", cwd=tmp_path)

    assert (ran.code, ran.out) == (0, "")
    # On a slow machine it says before how far it is.
    assert ran.err.splitlines()[-1] == "job-gallery: 2500 items, 48 pictures"
    made = GalleryFiles(tmp_path / "job-gallery")
    assert len(made.pictures) == 48
    assert set(made.cards("pictures")) == {*made.pictures, ""}


def test_a_job_in_s3_is_shown_with_the_images_of_its_bucket(tmp_path: Path, images: Path, s3: S3Server) -> None:
    bucket = s3.bucket()
    mug = picture_file(images / "001-mug.jpg")
    s3.put(f"s3://{bucket}/mug.jpg", (images / "001-mug.jpg").read_bytes())
    with using(s3.environment):
        row = replace(shown(ok_row("a"), mug), image=f"s3://{bucket}/mug.jpg")
        write_job(f"s3://{bucket}/jobs/spring", [row] * 4, items=4, part_size=1)

    ran = askpix("report", f"s3://{bucket}/jobs/spring", cwd=tmp_path, env=s3.environment)

    assert ran == Ran(0, "", "spring-gallery.html: 4 items, 1 picture\n")


def test_pictures_can_be_left_out(tmp_path: Path, rows: list[Row]) -> None:
    write_job(tmp_path / "job", rows, items=5)

    ran = askpix("report", "job", "--no-thumbnails", "--to", "page.html", cwd=tmp_path)

    assert ran == Ran(0, "", "page.html: 5 items\n")
    assert GalleryFiles(tmp_path / "page.html").pictures == {}


def test_files_are_kept_to_the_folders_that_are_named(tmp_path: Path, rows: list[Row]) -> None:
    write_job(tmp_path / "job", rows[:1], items=1)

    ran = askpix("report", "job", "--files-root", tmp_path, cwd=tmp_path)

    assert "1 item without a picture (1 x not_allowed)" in ran.err


def test_nothing_is_replaced_without_being_told_to(tmp_path: Path) -> None:
    write_job(tmp_path / "job", [ok_row("a")], items=1)
    askpix("report", "job", "--no-thumbnails", cwd=tmp_path)

    again = askpix("report", "job", "--no-thumbnails", cwd=tmp_path)

    assert again.code == 2
    assert the_complaint(again) == "job-gallery.html exists already: choose another name, or --force"
    assert askpix("report", "job", "--no-thumbnails", "--force", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "nothing holds no job"),
        (["job", "--to", "s3://shop/x"], "askpix writes galleries to this machine"),
        (["job", "--to", "/nowhere/at/all/x.html"], "/nowhere/at/all/x.html cannot be written: no such file"),
        (["job", "--allow-net", "nonsense/99"], "nonsense/99"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    write_job(tmp_path / "job", [ok_row("a")], items=1)

    ran = askpix("report", *arguments, cwd=tmp_path)

    assert ran.code == 2
    assert complaint in the_complaint(ran)


def test_the_path_of_this_machine_is_in_no_file_but_as_the_images_address(tmp_path: Path, rows: list[Row]) -> None:
    write_job(tmp_path / "job", rows[2:3], items=1)
    askpix("report", "job", cwd=tmp_path)

    assert not re.search(re.escape(str(tmp_path)), (tmp_path / "job-gallery.html").read_text())
