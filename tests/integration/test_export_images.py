"""Exports that hold the images: only those that were answered, as they were, and from where they may be read."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.http_server import Server
from helpers.jobs import answered, job_of, said
from helpers.pictures import gray_png, jpeg
from helpers.processes import askpix, the_complaint
from helpers.rows import failed_row

from askpix.producer import Row
from askpix.producer.export import Wishes, export, webdataset
from askpix.producer.job_folder import JobFolder
from askpix.producer.settings import Settings
from askpix.worker.access import Access
from askpix.worker.originals import Originals


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as started:
        yield started


def exported(folder: JobFolder, to: str, form: str | None = None) -> None:
    """Exports a job's images as the command does."""
    with closing(Originals(Access.of(files_roots=["/"]), Settings())) as originals:
        export(folder, to, wishes=Wishes(form=form), reader=lambda: originals)


def of_file(path: Path, data: bytes | None = None, *, identity: str | None = None) -> Row:
    """Returns the row of an image, and writes that."""
    data = jpeg() if data is None else data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    row = answered(identity or path.name, said("caption", "a mug"), image=str(path))
    return replace(row, sha256=hashlib.sha256(data).hexdigest())


def names(tar: Path) -> list[str]:
    with tarfile.open(tar) as file:
        return file.getnames()


@pytest.mark.parametrize("to", ["out.tar", "out/"])
def test_an_image_that_is_not_what_was_answered_is_left_out_and_said(tmp_path: Path, to: str) -> None:
    # Given
    rows = [of_file(tmp_path / f"{name}.jpg") for name in ("same", "other", "gone", "unread")]
    job_of(tmp_path / "job", [*rows[:3], replace(rows[3], sha256=None), failed_row("failed.jpg")])
    (tmp_path / "other.jpg").write_bytes(gray_png())
    (tmp_path / "gone.jpg").unlink()

    # When
    ran = askpix("export", "job", "--to", to, *(["--form", "imagefolder"] if to == "out/" else []), cwd=tmp_path)

    # Then
    assert ran.code == 0
    assert ran.err.startswith(f"{to}: 1 image for 5 items; none for 1 without an answer; ")
    assert "3 images could not be had again (" in ran.err
    assert all(f"1 x {code}" in ran.err for code in ("image_changed", "file_not_found", "image_unread"))
    if to == "out.tar":
        assert names(tmp_path / "out-000000.tar") == ["000000000.jpg", "000000000.json", "000000000.txt"]
    else:
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metadata.jsonl", "same.jpg"]


def test_files_are_read_only_where_that_is_allowed(tmp_path: Path) -> None:
    rows = [of_file(tmp_path / "here" / "a.jpg"), of_file(tmp_path / "there" / "b.jpg")]
    job_of(tmp_path / "job", rows)

    ran = askpix("export", "job", "--to", "out.tar", "--files-root", "here", cwd=tmp_path)

    assert "out.tar: 1 image for 2 items" in ran.err
    assert "1 x not_allowed" in ran.err


def test_servers_are_asked_only_where_that_is_allowed(tmp_path: Path, server: Server) -> None:
    data = jpeg()
    url = server.put("/a.jpg", data)
    row = replace(answered("a", said("caption", "a mug"), image=url), sha256=hashlib.sha256(data).hexdigest())
    job_of(tmp_path / "job", [row])

    refused = askpix("export", "job", "--to", "out.tar", cwd=tmp_path)
    allowed = askpix("export", "job", "--to", "out.tar", "--allow-net", "127.0.0.0/8", "--force", cwd=tmp_path)

    assert "1 x not_allowed" in refused.err
    assert allowed.err == "out.tar: 1 image for 1 item; 1 tar file\n"


def test_images_of_one_name_get_numbers_and_their_own_endings(tmp_path: Path) -> None:
    rows = [
        of_file(tmp_path / "1" / "front.jpg", identity="x"),
        of_file(tmp_path / "2" / "front.jpg", identity="y"),
        of_file(tmp_path / "3" / "front.jpg", gray_png(), identity="z"),
    ]
    exported(job_of(tmp_path / "job", rows), f"{tmp_path}/out/", "imagefolder")

    lines = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [(line["id"], line["file_name"]) for line in lines] == [
        ("x", "front.jpg"),
        ("y", "front-2.jpg"),
        ("z", "front.png"),
    ]


def test_no_column_is_taken_for_the_name_of_another_image(tmp_path: Path) -> None:
    # Given: answers that only a job of before, or of somebody hostile, has.
    titles = ["image", "file_name", "front_file_name", "file_names"]
    row = replace(of_file(tmp_path / "a.jpg"), answers=tuple(said(title, "/etc/passwd") for title in titles))
    row = replace(row, extra='{"back_file_name": "/etc/passwd"}')

    exported(job_of(tmp_path / "job", [row]), f"{tmp_path}/out/", "imagefolder")

    (line,) = map(json.loads, (tmp_path / "out" / "metadata.jsonl").read_text().splitlines())
    assert [name for name in line if name.endswith(("file_name", "file_names"))] == ["file_name"]
    assert line["file_name"] == "a.jpg"
    assert list(line.values()).count("/etc/passwd") == 5
    assert "image" not in line


@pytest.mark.parametrize("identity", ["../../out.jpg", "/etc/x.jpg", "a/../../b.jpg", "..", "x\\..\\y.jpg"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, identity: str) -> None:
    row = of_file(tmp_path / "shop" / "a.jpg", identity=identity)
    folder = job_of(tmp_path / "job", [row])
    before = set(tmp_path.rglob("*"))

    exported(folder, f"{tmp_path}/out/", "imagefolder")

    assert all(path.is_relative_to(tmp_path / "out") for path in {*tmp_path.rglob("*")} - before)


def test_shards_end_after_so_many_and_old_ones_go_only_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    rows = [of_file(tmp_path / f"{n}.jpg") for n in range(5)]
    folder = job_of(tmp_path / "job", rows)
    monkeypatch.setattr(webdataset, "SHARD_SAMPLES", 2)

    # When
    exported(folder, str(tmp_path / "out.tar"))
    again = askpix("export", "job", "--to", "out.tar", cwd=tmp_path)

    # Then
    shards = sorted(tmp_path.glob("out-*.tar"))
    assert [names(shard)[::3] for shard in shards] == [
        ["000000000.jpg", "000000001.jpg"],
        ["000000002.jpg", "000000003.jpg"],
        ["000000004.jpg"],
    ]
    assert "out-00000" in the_complaint(again)
    assert "exists already" in again.err
    # And by force no old one stays among the new.
    assert askpix("export", "job", "--to", "out.tar", "--force", cwd=tmp_path).code == 0
    assert sorted(tmp_path.glob("out-*.tar")) == shards[:1]


def test_an_export_that_fails_halfway_leaves_what_was_there(tmp_path: Path) -> None:
    job_of(tmp_path / "job", [of_file(tmp_path / "shop" / f"{n}.jpg") for n in range(4)])
    assert askpix("export", "job", "--to", "out.tar", cwd=tmp_path).code == 0
    before = (tmp_path / "out-000000.tar").read_bytes()
    (tmp_path / "job" / "results" / "part-000001.parquet").write_bytes(b"damaged")

    for to in (["--to", "out.tar", "--force"], ["--to", "hf/", "--form", "imagefolder"]):
        assert "is damaged" in the_complaint(askpix("export", "job", *to, cwd=tmp_path))

    assert (tmp_path / "out-000000.tar").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "out-000000.tar", "shop"]
