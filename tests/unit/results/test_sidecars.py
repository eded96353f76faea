"""Results as a text file beside each image, as training sets have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.rows import failed_row, ok_row

from askpix.producer import Answer, Kind, Row
from askpix.producer.errors import InputError, JobError, StorageError
from askpix.producer.export import Exported, export
from askpix.producer.export.text import sidecar_text
from askpix.producer.job_folder import JobFolder
from askpix.producer.storage import LocalStorage


def captioned(identity: str, caption: str = "a mug", image: str | None = None) -> Row:
    answer = Answer(name="caption", kind=Kind.CAPTION, text=caption, confidence=1.0, tokens=3)
    return replace(ok_row(identity), image=f"/shop/{identity}" if image is None else image, answers=(answer,))


def answer(name: str, text: str) -> Answer:
    return Answer(name=name, question=name, kind=Kind.OPEN, text=text, confidence=1.0, tokens=2)


def job(folder: Path, *parts: list[Row]) -> JobFolder:
    made = JobFolder(LocalStorage(folder / "job"))
    for number, rows in enumerate(parts):
        made.write_result(number, rows)
    return made


def texts(folder: Path) -> dict[str, str]:
    """Returns the text of every file under a folder, by its relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# What a file holds. ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([answer("what is it?", "a mug")], "a mug"),
        ([answer("color", "red"), answer("what is it?", "a mug")], "color: red\nwhat is it? a mug"),
        ([answer("a\nb", "c\r\n\x1b[2Jd\u2028e"), answer("x", " y ")], "a b: c [2Jd e\nx: y"),
        ([answer("q", "é 👩‍🚀")], "é 👩‍🚀"),
        ([answer("q", "")], ""),
    ],
)
def test_one_answer_is_its_text_and_several_are_a_line_each(answers: list[Answer], text: str) -> None:
    assert sidecar_text(answers) == text


# Which files there are. --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["captions/", "captions", "new/captions/"])
def test_each_answered_image_gets_a_file_in_the_folders_of_the_list(tmp_path: Path, name: str) -> None:
    made = job(tmp_path, [captioned("1/front.jpg", "é"), failed_row("1/back.jpg")], [captioned("mug.png", "b")])

    exported = export(made, f"{tmp_path}/{name}")

    assert exported == Exported(noun="text file", of=3, items=3, files=2, without=1, renamed=0)
    assert texts(tmp_path / name) == {"1/front.txt": "é\n", "mug.txt": "b\n"}


def test_an_item_without_an_answer_gets_no_file(tmp_path: Path) -> None:
    exported = export(job(tmp_path, [replace(captioned("a.jpg"), answers=())]), f"{tmp_path}/captions/")

    assert exported == Exported(noun="text file", of=1, items=1, files=0, without=1, renamed=0)
    assert not (tmp_path / "captions").exists()


def test_images_of_one_name_get_numbers(tmp_path: Path) -> None:
    rows = [captioned(f"/{n}/front.jpg", f"front {n}", image=f"/{n}/front.jpg") for n in range(1, 4)]

    exported = export(job(tmp_path, rows), f"{tmp_path}/captions/")

    assert exported == Exported(noun="text file", of=3, items=3, files=3, without=0, renamed=2)
    assert texts(tmp_path / "captions") == {
        "front.txt": "front 1\n",
        "front-2.txt": "front 2\n",
        "front-3.txt": "front 3\n",
    }


def test_a_number_never_takes_the_name_of_another_image(tmp_path: Path) -> None:
    # Given: names that are taken twice before an image comes whose name ends in -2.
    rows = [[captioned("a.jpg", "1"), captioned("a.png", "2"), captioned("a-2.jpg", "3")], [captioned("a.gif", "4")]]

    exported = export(job(tmp_path, *rows), f"{tmp_path}/captions/")

    assert exported.renamed == 2
    assert texts(tmp_path / "captions") == {"a.txt": "1\n", "a-2.txt": "3\n", "a-3.txt": "2\n", "a-4.txt": "4\n"}


def test_long_names_that_are_cut_alike_get_numbers_too(tmp_path: Path) -> None:
    rows = [captioned(f"{'é' * 200}{n}.jpg", str(n)) for n in range(3)]

    export(job(tmp_path, rows), f"{tmp_path}/captions/")

    assert sorted(texts(tmp_path / "captions").values()) == ["0\n", "1\n", "2\n"]


def test_a_folder_and_a_file_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    rows = [captioned("a.jpg", "1"), captioned("a.txt/b.jpg", "2"), captioned("a/b.jpg", "3"), captioned("a", "4")]

    export(job(tmp_path, rows), f"{tmp_path}/captions/")

    assert texts(tmp_path / "captions") == {
        "a.txt": "1\n",
        "a.txt_/b.txt": "2\n",
        "a/b.txt": "3\n",
        "a-2.txt": "4\n",
    }


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    hostile = [
        "../../up.jpg",
        "/abs.jpg",
        "..",
        "a/../../b.jpg",
        "\x1b]0;x\x07.jpg",
        "nul.jpg",
        "x" * 3_000,
        "https://h/",
    ]
    rows = [captioned(identity, image=identity) for identity in hostile]
    (tmp_path / "in").mkdir()

    exported = export(job(tmp_path, rows), f"{tmp_path}/in/captions/")

    assert exported.files == len(hostile)
    assert len(texts(tmp_path / "in" / "captions")) == len(hostile)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "job"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["captions"]


# Folders that are there already. -----------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images, one in a folder of its own."""
    (tmp_path / "photos" / "1").mkdir(parents=True)
    for name in ("mug.jpg", "1/front.jpg"):
        (tmp_path / "photos" / name).write_text("an image")
    return tmp_path / "photos"


def test_the_files_go_beside_the_images(tmp_path: Path, photos: Path) -> None:
    export(job(tmp_path, [captioned("mug.jpg"), captioned("1/front.jpg")]), str(photos))

    assert set(texts(photos)) == {"mug.jpg", "mug.txt", "1/front.jpg", "1/front.txt"}


def test_a_file_that_is_there_is_replaced_only_by_force_and_without_it_nothing_is_written(
    tmp_path: Path, photos: Path
) -> None:
    made = job(tmp_path, [captioned("mug.jpg"), captioned("1/front.jpg"), captioned("new.jpg")])
    (photos / "1" / "front.txt").write_text("my own caption")

    with pytest.raises(StorageError, match=r"1/front\.txt exists already: .*--force"):
        export(made, str(photos))
    assert set(texts(photos)) == {"mug.jpg", "1/front.jpg", "1/front.txt"}
    assert (photos / "1" / "front.txt").read_text() == "my own caption"

    export(made, str(photos), force=True)
    assert texts(photos)["1/front.txt"] == "a mug\n"
    assert [path.name for path in photos.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_part_leaves_the_folder_as_it_was(tmp_path: Path, photos: Path) -> None:
    made = job(tmp_path, [captioned("mug.jpg")], [captioned("1/front.jpg")])
    (tmp_path / "job" / "results" / "part-000001.parquet").write_bytes(b"damaged")

    for target in (photos, tmp_path / "new"):
        with pytest.raises(JobError, match="damaged"):
            export(made, f"{target}/")

    assert set(texts(photos)) == {"mug.jpg", "1/front.jpg"}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_link_is_not_followed_out_of_the_folder(tmp_path: Path, photos: Path, force: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    (photos / "2").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StorageError, match="2 is a link or a file"):
        export(job(tmp_path, [captioned("2/front.jpg")]), str(photos), force=force)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_of_a_file_is_replaced_and_what_it_leads_to_stays(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "own.txt").write_text("my own")
    (photos / "mug.txt").symlink_to(tmp_path / "own.txt")

    export(job(tmp_path, [captioned("mug.jpg")]), str(photos), force=True)

    assert (tmp_path / "own.txt").read_text() == "my own"
    assert (photos / "mug.txt").read_text() == "a mug\n"


def test_a_folder_in_the_place_of_a_file_and_a_file_in_that_of_a_folder_are_said(tmp_path: Path, photos: Path) -> None:
    (photos / "mug.txt").mkdir()
    with pytest.raises(StorageError, match=r"mug\.txt is a folder"):
        export(job(tmp_path, [captioned("mug.jpg")]), str(photos), force=True)

    with pytest.raises(StorageError, match=r"mug\.jpg is a link or a file"):
        export(job(tmp_path, [captioned("mug.jpg/a.jpg")]), str(photos), force=True)


def test_a_job_folder_is_no_place_for_text_files(tmp_path: Path) -> None:
    made = job(tmp_path, [captioned("a.jpg")])
    (tmp_path / "job" / "job.json").write_text("{}")

    with pytest.raises(InputError, match="is a job folder"):
        export(made, str(tmp_path / "job"))


def test_a_file_is_no_place_for_text_files(tmp_path: Path) -> None:
    (tmp_path / "captions").write_text("mine")

    with pytest.raises(InputError, match="is a file"):
        export(job(tmp_path, [captioned("a.jpg")]), str(tmp_path / "captions"), force=True)


def test_many_files_are_moved_in_several_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    monkeypatch.setattr("askpix.producer.export.sidecars._MOVED_AT_ONCE", 7)
    rows = [captioned(f"{n % 3}/{n}.jpg", str(n)) for n in range(60)]

    export(job(tmp_path, rows), str(photos))

    found = texts(photos)
    assert all(found[f"{n % 3}/{n}.txt"] == f"{n}\n" for n in range(60))
