"""Where galleries are written, of which jobs, and what is never replaced."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.galleries import COLORS, Maker, choice, no_file, shop_rows, shown, write_job
from helpers.gallery_files import GalleryFiles
from helpers.rows import failed_row, ok_row

from askpix.producer import Job
from askpix.producer.errors import InputError, JobError, StorageError
from askpix.producer.records import RESULT_SCHEMA
from askpix.producer.report import gallery
from askpix.producer.report.gallery import write_gallery


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Where it goes. ----------------------------------------------------------------------------------


def test_a_job_larger_than_a_page_becomes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = write_job(tmp_path / "small", shop_rows(300, []), items=300)
    large = write_job(tmp_path / "large", shop_rows(2_100, []), items=2_100)

    assert write_gallery(small).path == Path("small-gallery.html")
    assert write_gallery(large).path == Path("large-gallery")
    made = GalleryFiles(tmp_path / "large-gallery")
    assert len(made.cards("ids")) == len(made.details) == made.index["count"] == 2_100
    assert sorted(name for name in made.blocks if name.startswith("cards")) == ["cards-0", "cards-1"]
    with pytest.raises(InputError, match=r"one page holds up to 2,000 items, and the job has 2,100: give a folder"):
        write_gallery(large, "large.html")


def test_a_job_that_is_too_large_is_said_to_be_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "MAX_ITEMS", 2)
    job = write_job(tmp_path / "job", shop_rows(3, []), items=3)

    with pytest.raises(InputError, match=r"up to 2 items, and the job has 3: `askpix export`"):
        write_gallery(job, str(tmp_path / "out"))
    assert names_in(tmp_path) == ["job"]


def test_rows_that_nobody_announced_do_not_make_a_page_that_never_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "FILE_ITEMS", 5)
    job = write_job(tmp_path / "job", shop_rows(9, []), items=9, part_size=3)
    lying = job.folder.spec()
    assert lying is not None
    (tmp_path / "job" / "job.json").write_text(lying.model_copy(update={"items": 3}).model_dump_json())

    with pytest.raises(InputError, match="one page holds up to 5 items"):
        write_gallery(Job.open(str(tmp_path / "job")), str(tmp_path / "out.html"))
    assert names_in(tmp_path) == ["job"]


@pytest.mark.parametrize("target", ["out.html", "out"])
def test_what_is_there_is_replaced_only_when_that_is_wanted(tmp_path: Path, target: str) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    path = tmp_path / target
    write_gallery(job, str(path))
    before = path.stat().st_ino

    with pytest.raises(StorageError, match="exists already: choose another name, or --force"):
        write_gallery(job, str(path))
    assert path.stat().st_ino == before
    write_gallery(job, str(path), force=True)

    assert path.stat().st_ino != before
    assert names_in(tmp_path) == ["job", target]


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("<title>my own page</title>")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.html").mkdir()

    for name in ("mine", "file", "link"):
        with pytest.raises(InputError, match="choose another"):
            write_gallery(job, str(tmp_path / name), force=True)
    with pytest.raises(InputError, match="is a folder, where one page needs a file"):
        write_gallery(job, str(tmp_path / "page.html"), force=True)
    write_gallery(job, str(tmp_path / "empty"))

    assert (tmp_path / "mine" / "index.html").read_text() == "<title>my own page</title>"
    assert names_in(tmp_path) == ["empty", "file", "job", "link", "mine", "page.html"]


@pytest.mark.parametrize("target", ["s3://shop/gallery.html", "", "\0", "/", "https://shop.example/x"])
def test_what_is_no_place_is_said_to_be_none(tmp_path: Path, target: str) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)

    with pytest.raises(InputError):
        write_gallery(job, target)


def test_force_replaces_galleries_alone(tmp_path: Path) -> None:
    # Given: a page of one's own, a link to a gallery, and a gallery to which somebody added files.
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    (tmp_path / "mine.html").write_text("<title>my own page</title>")
    write_gallery(job, str(tmp_path / "made.html"))
    (tmp_path / "link.html").symlink_to(tmp_path / "made.html")
    write_gallery(job, str(tmp_path / "gallery"))
    (tmp_path / "gallery" / "notes.txt").write_text("mine")

    for name in ("mine.html", "link.html"):
        with pytest.raises(InputError, match="is no gallery, and is not replaced"):
            write_gallery(job, str(tmp_path / name), force=True)
    with pytest.raises(InputError, match="holds other things than a gallery"):
        write_gallery(job, str(tmp_path / "gallery"), force=True)

    assert (tmp_path / "mine.html").read_text() == "<title>my own page</title>"
    assert (tmp_path / "gallery" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("target", ["out.html", "out"])
def test_where_the_last_step_fails_what_was_there_stays(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    path = tmp_path / target
    write_gallery(job, str(path))
    before = path.stat().st_ino

    def failing(self: Path, goal: Path) -> Path:
        if self.name.startswith(".partial") and goal == path:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, goal)

    real = Path.rename
    monkeypatch.setattr(Path, "rename", failing)
    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(StorageError, match="input/output error"):
        write_gallery(job, str(path), force=True)

    assert path.stat().st_ino == before
    assert names_in(tmp_path) == ["job", target]


def test_a_name_that_is_no_utf_8_is_written_as_well_as_it_goes(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    job = write_job(folder, [ok_row("a")], items=1)

    gallery = write_gallery(job, str(tmp_path / "out.html"))

    assert "<title>caf?" in gallery.path.read_text()


@pytest.mark.parametrize("name", ["x.pdf", "x.csv", "pictures.zip"])
def test_what_is_named_like_another_kind_of_file_becomes_no_folder(tmp_path: Path, name: str) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)

    with pytest.raises(InputError, match=r"a gallery is a name\.html or a folder, not"):
        write_gallery(job, str(tmp_path / name))
    write_gallery(job, str(tmp_path / "spring-2.1"))


@pytest.mark.parametrize("inside", ["", "results/page.html", "results", "input/x/", "control", "partial", "job.json/"])
def test_the_jobs_own_files_are_left_alone(tmp_path: Path, inside: str) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)

    with pytest.raises(InputError, match=r"among the job's own files|holds other things"):
        write_gallery(job, f"{tmp_path}/job/{inside}", force=True)
    assert [one.id for one in job.results()] == ["a"]


def test_a_page_may_lie_in_its_job(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)

    assert write_gallery(job, str(tmp_path / "job" / "gallery.html")).items == 1


# Jobs of all sorts. ------------------------------------------------------------------------------


def test_an_unfinished_job_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [ok_row("a"), ok_row("b")], items=7, part_size=2)

    write_gallery(job, str(tmp_path / "out.html"))

    made = GalleryFiles(tmp_path / "out.html")
    assert (made.index["count"], made.index["job"]["items"]) == (2, 7)


def test_a_job_without_results_has_nothing_to_show(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [], items=7)

    with pytest.raises(JobError, match=r"has no results yet, .*askpix status"):
        write_gallery(job, str(tmp_path / "out.html"))


def test_after_a_retry_the_newest_rows_are_shown(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [failed_row("a"), ok_row("b")], items=2)
    job.folder.write_result(0, [ok_row("a"), ok_row("b")], round_=1)

    write_gallery(job, str(tmp_path / "out.html"))

    assert GalleryFiles(tmp_path / "out.html").index["failed"] == 0


@pytest.mark.parametrize("target", ["out.html", "out"])
def test_a_damaged_result_is_named_and_nothing_is_left(tmp_path: Path, target: str) -> None:
    job = write_job(tmp_path / "job", shop_rows(4, []), items=4, part_size=2)
    (tmp_path / "job" / "results" / "part-000001.parquet").write_bytes(b"PAR1 no")

    with pytest.raises(JobError, match=r"part-000001.parquet is damaged .*askpix resume"):
        write_gallery(job, str(tmp_path / target), make=Maker())
    assert names_in(tmp_path) == ["job"]


def test_results_that_no_askpix_has_written_are_named(tmp_path: Path) -> None:
    # Given: of the right types, but an answer of no known kind.
    job = write_job(tmp_path / "job", [ok_row("a")], items=1)
    path = tmp_path / "job" / "results" / "part-000000.parquet"
    records = pq.read_table(path).to_pylist()
    records[0]["answers"][0]["kind"] = "song"
    pq.write_table(pq.read_table(path).from_pylist(records, schema=RESULT_SCHEMA), path)

    with pytest.raises(JobError, match=r"part-000000.parquet is damaged .*song"):
        write_gallery(job, str(tmp_path / "out.html"))


def test_texts_that_are_missing_are_empty(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [replace(ok_row("a"), answers=(choice("color", "red", COLORS, 0.5),))], items=1)
    path = tmp_path / "job" / "results" / "part-000000.parquet"
    records = pq.read_table(path).to_pylist()
    records[0]["answers"][0] |= {"name": None, "text": None, "confidence": None}
    records[0]["answers"][0]["choices"][0] |= {"text": None, "probability": None}
    pq.write_table(pq.read_table(path).from_pylist(records, schema=RESULT_SCHEMA), path)

    write_gallery(job, str(tmp_path / "out.html"))

    (told,) = GalleryFiles(tmp_path / "out.html").details[0]["answers"]
    assert (told["name"], told["text"], told["choices"][0]) == ("", "", ["", None])


def test_how_fast_it_was_is_told_by_when_its_files_were_written(tmp_path: Path) -> None:
    # Given: three parts, written ten seconds and a minute after the first.
    job = write_job(tmp_path / "job", shop_rows(8, []), items=8, part_size=3)
    for part, at in enumerate((1_000, 1_010, 1_060)):
        os.utime(tmp_path / "job" / "results" / f"part-{part:06d}.parquet", (at, at))

    # When
    write_gallery(job, str(tmp_path / "out.html"))

    # Then
    assert GalleryFiles(tmp_path / "out.html").index["timeline"] == [[0.0, 3], [10.0, 6], [60.0, 8]]


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    files = [no_file(name) for name in ("mug", "hat")]
    job = write_job(tmp_path / "job", shop_rows(10, files), items=10, part_size=4)
    told: list[tuple[str, int, int]] = []

    write_gallery(job, str(tmp_path / "out"), make=Maker(), told=lambda *step: told.append(step))

    assert [step for step in told if step[0] == "making thumbnails"] == [
        ("making thumbnails", 0, 2),
        ("making thumbnails", 1, 2),
    ]
    assert [step for step in told if step[0] == "writing items"] == [("writing items", done, 10) for done in (4, 8, 10)]


def test_links_among_the_thumbnails_of_before_are_not_taken_over(tmp_path: Path) -> None:
    job = write_job(tmp_path / "job", [shown(ok_row("a"), no_file("mug"))], items=1)
    write_gallery(job, str(tmp_path / "out"), make=Maker())
    (thumbnail,) = (tmp_path / "out").glob("thumbs/*/*.webp")
    (tmp_path / "secret").write_text("mine")
    thumbnail.unlink()
    thumbnail.symlink_to(tmp_path / "secret")

    write_gallery(job, str(tmp_path / "out"), make=Maker(), force=True)

    assert list(GalleryFiles(tmp_path / "out").pictures.values()) == [b"/shop/mug"]
    assert not thumbnail.is_symlink()


@pytest.mark.parametrize("times", [(1_000, 1_000, 1_001), (1_000, 2_000)])
def test_files_of_one_time_or_few_say_nothing_of_speed(tmp_path: Path, times: tuple[int, ...]) -> None:
    job = write_job(tmp_path / "job", shop_rows(len(times), []), items=len(times), part_size=1)
    for part, at in enumerate(times):
        os.utime(tmp_path / "job" / "results" / f"part-{part:06d}.parquet", (at, at))

    write_gallery(job, str(tmp_path / "out.html"))

    assert GalleryFiles(tmp_path / "out.html").index["timeline"] is None
