"""Files of answers that are damaged, or somebody else's: none is a reason for a worker to stop."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.answer_files import Open, folder, key, open_store
from helpers.answers import change

from askpix.worker.answer_cache import disk, disk_file
from askpix.worker.answer_cache.store import StoreError

__all__ = ["folder", "open_store"]


DAMAGED = {
    "no database": b"these are the times that try men's souls\n" * 1_000,
    "an empty page": bytes(4_096),
    "cut off": None,
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    what: str, open_store: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    store = open_store()
    store.write([change(key(number), {b"a": b"x" * 1_000}) for number in range(100)])
    store.close()
    (path,) = folder.glob("*.sqlite3")
    held = DAMAGED[what] or path.read_bytes()[:6_000]
    path.write_bytes(held)

    # When: it is opened, and read, where that alone does not show it
    again = open_store()
    for _ in range(2):
        for number in range(100):
            try:
                again.read("tiny", key(number))
                again.write([change(key(number), {b"a": b"y"})])
            except StoreError:
                break

    # Then
    assert again.read("tiny", key(7))[0] == {b"a": b"y"}
    assert path.read_bytes() == held
    assert "damaged, or none of ours" in caplog.text
    assert str(path) in caplog.text
    # And others find the new one.
    assert open_store().read("tiny", key(7))[0] == {b"a": b"y"}


def test_threads_that_find_the_same_damage_set_one_file_aside(
    open_store: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a file whose first page alone is good
    store = open_store()
    store.write([change(key(number), {b"a": b"x" * 3_000}) for number in range(300)])
    store.close()
    path = folder / "answers-v1.0.sqlite3"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:4_096] + b"\xee" * (size - 4_096))
    store = open_store()

    # When: two threads have found that before one of them does anything about it
    both, found = threading.Barrier(2), list[bool]()

    def seen(error: Exception) -> bool:
        both.wait(20)
        found.append(disk_file.is_damage(error))
        return found[-1]

    monkeypatch.setattr(disk, "is_damage", seen)

    def read() -> None:
        with suppress(StoreError):
            store.read("tiny", key(1))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Then
    assert found == [True, True]
    assert sorted(one.name for one in folder.glob("*.sqlite3")) == ["answers-v1.0.sqlite3", "answers-v1.1.sqlite3"]


def test_a_database_of_another_program_is_left_as_it_is(open_store: Open, folder: Path) -> None:
    # Given
    path = folder / "answers-v1.0.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE image (id INTEGER PRIMARY KEY, key BLOB, model TEXT, used INTEGER)")
        other.execute("CREATE TRIGGER evil AFTER INSERT ON image BEGIN DELETE FROM image; END")
    other.close()
    before = path.read_bytes()

    # When
    store = open_store()
    store.write([change(key(1), {b"a": b"x"})])

    # Then
    assert store.read("tiny", key(1))[0] == {b"a": b"x"}
    assert path.read_bytes() == before


def test_only_the_last_of_many_damaged_files_is_left_lying(open_store: Open, folder: Path) -> None:
    for number in range(4):
        open_store().close()
        (folder / f"answers-v1.{number}.sqlite3").write_bytes(b"junk" * 2_000)
    open_store()
    assert sorted(path.name for path in folder.glob("*.sqlite3")) == ["answers-v1.3.sqlite3", "answers-v1.4.sqlite3"]


def test_a_link_is_not_followed(open_store: Open, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (folder / "answers-v1.0.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store()
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_values_that_no_one_of_ours_wrote_are_left_out(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write([change(key(1), {b"a": b"x"})])
    with sqlite3.connect(folder / "answers-v1.0.sqlite3") as other:
        other.execute("INSERT INTO answer VALUES (1, 'text', 7)")
    other.close()
    assert store.read("tiny", key(1))[0] == {b"a": b"x"}
