"""A folder on a disk: files that are whole or not there, whatever fails. What S3 promises too is in test_s3_storage."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from askpix.producer.errors import StorageError
from askpix.producer.storage import LocalStorage, local_path
from askpix.producer.storage_opening import open_storage

THREADS = 16


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "job")


def test_a_reader_sees_a_whole_file_while_others_replace_it(storage: LocalStorage) -> None:
    # Given: versions that are told apart from any mixture of them.
    versions = [bytes([number]) * 200_000 for number in range(4)]
    storage.write("file", versions[0])

    # When
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(storage.write, "file", versions[turn % 4]) for turn in range(40)]
        seen = {storage.read("file") for _ in range(100)}
        for write in writes:
            write.result()

    # Then
    assert seen <= set(versions)
    assert list(storage.names("")) == ["file"]


def test_names_are_sorted_and_leave_out_unfinished_files(storage: LocalStorage) -> None:
    for name in ("b", "a", "c"):
        storage.write(f"results/{name}", b"")
    (storage.root / "results" / ".partial-x").touch()

    assert list(storage.names("results")) == ["a", "b", "c"]


def test_files_have_the_mode_that_the_users_mask_gives(storage: LocalStorage, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    storage.write("file", b"")

    assert stat.S_IMODE((storage.root / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_write_that_fails_leaves_nothing(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a disk that is found full when the data is to reach it.
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageError, match=r"file cannot be written: the disk is full; make room"):
        storage.write("file", b"data")

    assert os.listdir(storage.root) == []  # noqa: PTH208 - hidden files too


@pytest.mark.parametrize("action", ["write", "create"])
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, action: str) -> None:
    (tmp_path / "file").touch()

    for root in (tmp_path / "file" / "job", Path("/proc/job"), tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match="cannot be written"):
            getattr(LocalStorage(root), action)("job.json", b"{}")


def test_a_file_that_cannot_be_read_is_said(storage: LocalStorage) -> None:
    (storage.root / "job.json").mkdir(parents=True)

    with pytest.raises(StorageError, match=r"job\.json cannot be read: is a directory"):
        storage.read("job.json")


def test_a_folder_that_is_a_file_is_said(storage: LocalStorage) -> None:
    storage.write("results", b"")

    with pytest.raises(StorageError, match="results"):
        list(storage.names("results"))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b", "/a/b"),
        ("a/b", "a/b"),
        ("file:///a%20b", "/a b"),
        ("file://localhost/a", "/a"),
        ("photo:1.jpg", "photo:1.jpg"),
        ("C:/x", "C:/x"),
        ("s3://a/b", None),
        ("http://a", None),
        ("data:,x", None),
        ("file://host/a", None),
        ("c://photo.jpg", None),
    ],
)
def test_a_local_path_is_told_from_other_uris(uri: str, path: str | None) -> None:
    assert local_path(uri) == (None if path is None else Path(path))


def test_the_uri_of_a_storage_opens_the_same_storage_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage = open_storage("my job %41")
    storage.write("file", b"data")

    monkeypatch.chdir("/")

    assert open_storage(storage.uri).read("file") == b"data"
    assert (tmp_path / "my job %41" / "file").read_bytes() == b"data"


@pytest.mark.parametrize("uri", ["", "s3://shop", "http://shop", "a\0b", "x" * 300])
def test_a_place_for_no_job_is_refused(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(StorageError):
        open_storage(uri).write("job.json", b"")


def test_a_file_is_no_place_for_a_job(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="is a file"):
        open_storage(str(tmp_path / "file"))


# Links. ------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_bytes(b"of somebody else")
    return folder


DOINGS: dict[str, Callable[[LocalStorage, str], object]] = {
    "read": lambda storage, name: storage.read(name),
    "write": lambda storage, name: storage.write(name, b"ours"),
    "create": lambda storage, name: storage.create(name, b"ours"),
    "exists": lambda storage, name: storage.exists(name),
    "names": lambda storage, name: list(storage.names(name.rpartition("/")[0])),
    "remove": lambda storage, name: storage.remove(name),
}


@pytest.mark.parametrize("doing", DOINGS)
@pytest.mark.parametrize("name", ["results/file", "results/new", "results/a/b"])
def test_a_folder_that_is_a_link_leads_nowhere(storage: LocalStorage, elsewhere: Path, doing: str, name: str) -> None:
    storage.root.mkdir()
    (storage.root / "results").symlink_to(elsewhere)

    with pytest.raises(StorageError, match=r"results.* leads out of the job folder by a symbolic link"):
        DOINGS[doing](storage, name)

    assert [(path.name, path.read_bytes()) for path in elsewhere.iterdir()] == [("file", b"of somebody else")]


@pytest.mark.parametrize("doing", DOINGS)
@pytest.mark.parametrize("way", ["../elsewhere/file", "{elsewhere}/file", "a/../../elsewhere/file"])
def test_a_name_that_leads_out_is_refused_too(storage: LocalStorage, elsewhere: Path, doing: str, way: str) -> None:
    with pytest.raises(StorageError, match="leads out of the job folder"):
        DOINGS[doing](storage, way.format(elsewhere=elsewhere))

    assert (elsewhere / "file").read_bytes() == b"of somebody else"


def test_a_job_folder_that_is_replaced_by_a_link_is_refused(storage: LocalStorage, elsewhere: Path) -> None:
    storage.write("file", b"ours")
    storage.root.rename(storage.root.with_name("moved"))
    storage.root.symlink_to(elsewhere)

    for doing in DOINGS.values():
        with pytest.raises(StorageError, match="leads out"):
            doing(storage, "file")


def test_a_file_that_is_a_link_is_not_read_and_is_replaced_itself(storage: LocalStorage, elsewhere: Path) -> None:
    storage.root.mkdir()
    (storage.root / "link").symlink_to(elsewhere / "file")
    (storage.root / "dangling").symlink_to(elsewhere / "none")

    for name in ("link", "dangling"):
        assert storage.exists(name)
        assert not storage.create(name, b"ours")
        with pytest.raises(StorageError, match=f"{name} cannot be read: it is a symbolic link"):
            storage.read(name)
        storage.write(name, b"ours")
        assert storage.read(name) == b"ours"
    (storage.root / "link").unlink()
    (storage.root / "link").symlink_to(elsewhere / "file")
    storage.remove("link")

    assert [(path.name, path.read_bytes()) for path in elsewhere.iterdir()] == [("file", b"of somebody else")]


def test_links_on_the_way_to_the_job_folder_and_inside_it_are_followed(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "way").symlink_to(elsewhere)
    storage = LocalStorage(tmp_path / "way" / "job")
    storage.write("there/file", b"ours")
    (storage.root / "here").symlink_to("there")

    assert storage.read("here/file") == b"ours"
    assert (elsewhere / "job" / "there" / "file").read_bytes() == b"ours"
    assert storage.uri == str(tmp_path / "way" / "job")


# Power cuts. -------------------------------------------------------------------------------------


def test_a_file_and_all_new_names_on_the_way_are_flushed(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    root, results = str(storage.root), str(storage.root / "results")

    storage.write("results/a", b"")
    assert [flushed[0], flushed[1], flushed[3]] == [str(storage.root.parent), root, results]
    flushed.clear()
    storage.create("results/b", b"")
    assert flushed[1:] == [results]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_no_one_can_flush_is_left_and_one_that_fails_is_said(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    storage.write("first", b"")
    fsync = os.fsync

    def fail(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)

    if code == errno.EIO:
        with pytest.raises(StorageError, match="second cannot be written: input/output error"):
            storage.write("second", b"")
    else:
        storage.write("second", b"")
    assert storage.exists("second")
