"""`askpix demo`: the pictures that come with askpix, where the documentation looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from askpix.cli.main import command
from askpix.producer.errors import InputError
from askpix.worker.demo import PICTURES, copy_pictures


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_pictures_come_where_the_documentation_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    ran = CliRunner().invoke(command, ["demo"])

    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr.startswith("demo/images: 48 pictures and 3 lists\n")
    assert contents(tmp_path / "demo" / "images") == contents(PICTURES)


def test_what_is_there_stays_and_what_is_missing_is_added(tmp_path: Path) -> None:
    copy_pictures(tmp_path)
    (tmp_path / "001-mug.jpg").unlink()
    (tmp_path / "of-mine.jpg").write_bytes(b"mine")
    before = (tmp_path / "000-bottle.jpg").stat()

    copy_pictures(tmp_path)

    after = (tmp_path / "000-bottle.jpg").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert contents(tmp_path) == {**contents(PICTURES), "of-mine.jpg": b"mine"}


@pytest.mark.parametrize("other", ["file", "folder", "link to nothing"])
def test_another_file_of_that_name_is_never_replaced(other: str, tmp_path: Path) -> None:
    place = tmp_path / "catalogue.csv"
    if other == "file":
        place.write_text("sku,image\n")
    elif other == "folder":
        place.mkdir()
    else:
        place.symlink_to(tmp_path / "nowhere")

    with pytest.raises(InputError, match=r"catalogue\.csv is there, and is not the demo's: name another folder"):
        copy_pictures(tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["catalogue.csv"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="file/images cannot hold the demo's pictures: not a directory"):
        copy_pictures(tmp_path / "file" / "images")


def test_the_clone_has_them_where_the_documentation_looks_for_them() -> None:
    assert (Path(__file__).parents[3] / "demo" / "images").samefile(PICTURES)
