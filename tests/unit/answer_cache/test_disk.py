"""Answers on disk: shared, bounded, and nobody else's business."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from helpers.answer_files import LIMIT, Open, folder, key, open_store
from helpers.answers import change

from askpix.worker.answer_cache import disk, disk_file
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.store import MAX_FIELDS, StoreError

__all__ = ["folder", "open_store"]


def elsewhere(folder: Path, code: str) -> str:
    """Has another process open the `store`, run lines, and close it; returns what it prints."""
    lines = f"""
from pathlib import Path
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.store import Change
store = DiskStore(Path({str(folder)!r}), {LIMIT})
{code}
store.close()
"""
    return subprocess.run([sys.executable, "-c", lines], check=True, stdout=subprocess.PIPE, text=True).stdout


def test_what_one_process_keeps_others_find(open_store: Open, folder: Path) -> None:
    # Given: two that have the same file open
    one, other = open_store(), open_store()

    # When: one of them keeps something, and a process of its own does
    one.write([change(key(1), {b"size": b"[1, 2]", b"a": b"x"})])
    elsewhere(folder, f"""store.write([Change(model="tiny", image={key(1)!r}, fields={{b"b": b"y"}})])""")

    # Then
    assert other.read("tiny", key(1)) == ({b"size": b"[1, 2]", b"a": b"x", b"b": b"y"}, False)
    assert other.read("tiny", key(2)) == ({}, False)


def test_a_process_that_ends_does_not_take_the_log_from_those_that_go_on(open_store: Open, folder: Path) -> None:
    # Given: two that live on, in this process, and one that was opened and closed
    one, other = open_store(), open_store()
    open_store().close()
    one.write([change(key(1), {b"a": b"x"})])

    # When: a process comes, looks and goes
    assert elsewhere(folder, "print(store.contents().images)") == "1\n"

    # Then: it did not take itself for the last one, and all go on with the same file.
    assert {path.name.rpartition("sqlite3")[2] for path in folder.glob("answers-*")} == {"", "-wal", "-shm"}
    for number, store in enumerate((one, other), 2):
        store.write([change(key(number * 1_000 + place), {b"a": b"x" * 500}) for place in range(500)])
        count = 1 + 500 * (number - 1)
        assert elsewhere(folder, "print(store.contents().images)") == f"{count}\n"
    assert other.contents().images == one.contents().images == 1_001
    with sqlite3.connect(folder / "answers-v1.0.sqlite3") as looking:
        assert looking.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    looking.close()


def test_a_file_that_is_deleted_is_begun_anew_for_all(open_store: Open, folder: Path) -> None:
    # Given
    one, other = open_store(), open_store()
    one.write([change(key(1), {b"a": b"x"})])
    shutil.rmtree(folder)

    # When
    one.write([change(key(2), {b"a": b"y"})])

    # Then
    assert other.read("tiny", key(2))[0] == {b"a": b"y"}
    assert other.read("tiny", key(1))[0] == {}
    assert elsewhere(folder, "print(store.contents().images)") == "1\n"


def test_one_that_is_locked_at_the_start_is_opened_later(
    open_store: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    open_store().close()
    monkeypatch.setattr(disk_file, "_WRITE_SECONDS", 0.1)
    with closing(sqlite3.connect(folder / "answers-v1.0.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")

        # When
        store = open_store()
        with pytest.raises(StoreError, match="locked"):
            store.read("tiny", key(1))

    # Then
    store.write([change(key(1), {b"a": b"x"})])
    assert store.read("tiny", key(1))[0] == {b"a": b"x"}


def test_many_threads_read_while_others_write(open_store: Open) -> None:
    store, other = open_store(), open_store()
    wrong: list[object] = []

    def write(own: DiskStore, first: int) -> None:
        for number in range(first, first + 200):
            own.write([change(key(number), {b"a": b"%d" % number})])

    def read() -> None:
        for number in list(range(400)) * 3:
            fields, _ = store.read("tiny", key(number))
            if fields not in ({}, {b"a": b"%d" % number}):
                wrong.append(fields)

    threads = [threading.Thread(target=write, args=(store, 0)), threading.Thread(target=write, args=(other, 200))]
    threads += [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.contents().images == 400


def test_nobody_else_may_read_it(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write([change(key(1), {b"a": b"x"})])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("answers-*")}
    assert {name.rpartition("sqlite3")[2] for name in modes} == {"", "-wal", "-shm"}
    assert set(modes.values()) == {0o600}


def test_it_stays_within_its_limit_and_forgets_what_was_not_used_for_longest(
    open_store: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: more than there is room for, the first of which is used again and again
    now = 1_000_000.0
    monkeypatch.setattr(disk.time, "time", lambda: now)
    store, value = open_store(LIMIT), os.urandom(20_000)
    for batch in range(60):
        now += 10_000
        store.write([change(key(batch * 10 + number), {b"a": value}) for number in range(10)])
        _, touch = store.read("tiny", key(0))
        if batch:
            assert touch
        store.write([change(key(0))])

    # Then
    assert sum(path.stat().st_size for path in folder.glob("*.sqlite3")) <= LIMIT * 1.1
    found = store.contents()
    assert LIMIT // 2 < found.images * len(value) < LIMIT
    kept = [number for number in range(600) if store.read("tiny", key(number))[0]]
    assert kept[0] == 0
    assert kept[1:] == list(range(600 - len(kept) + 1, 600))


def test_its_log_counts_too(open_store: Open) -> None:
    store, limit = open_store(1 << 20), 1 << 20
    for number in range(30):
        store.write([change(key(number), {b"a": os.urandom(100_000)})])
        assert store.contents().bytes <= limit * 1.1


def test_a_lower_limit_makes_a_smaller_file(open_store: Open, folder: Path) -> None:
    store = open_store(LIMIT)
    for number in range(100):
        store.write([change(key(number), {b"a": os.urandom(50_000)})])
    assert store.contents().bytes > 4 << 20
    store.close()

    smaller = open_store(1 << 20)
    smaller.write([change(key(100), {b"a": b"x"})])

    assert smaller.contents().bytes <= 1 << 20
    assert smaller.read("tiny", key(100))[0] == {b"a": b"x"}


def test_what_was_kept_of_an_image_can_begin_anew(open_store: Open) -> None:
    store = open_store()
    store.write([change(key(1), {b"%d" % number: b"x" for number in range(MAX_FIELDS + 5)})])
    assert len(store.read("tiny", key(1))[0]) > MAX_FIELDS
    store.write([change(key(1), {b"new": b"y"}, anew=True)])
    assert store.read("tiny", key(1))[0] == {b"new": b"y"}
    # Or be forgotten until something new is said of it.
    store.write([change(key(1), anew=True), change(key(2), anew=True)])
    assert store.read("tiny", key(1))[0] == {}
    assert store.contents().images == 0


def test_a_model_can_be_forgotten_and_all_can(open_store: Open) -> None:
    # Given: what two models have said of the same images
    store = open_store()
    store.write([change(key(number), {b"size": b"s", b"a": b"x"}, model="one") for number in range(3)])
    store.write([change(key(number + 10), {b"size": b"s", b"a": b"x"}, model="other") for number in range(2)])
    assert store.contents().by_model == {"one": 3, "other": 2}
    assert store.contents().answers == 5

    # When
    assert store.purge("one") == 3

    # Then
    assert store.read("one", key(0))[0] == {}
    assert store.contents().by_model == {"other": 2}
    assert store.purge(None) == 2
    assert store.contents().images == 0


def test_what_is_forgotten_on_purpose_is_not_in_the_file_any_more(open_store: Open, folder: Path) -> None:
    store = open_store()
    store.write([change(key(1), {b"a": b"a private answer"})])
    store.purge(None)
    assert not any(b"a private answer" in path.read_bytes() for path in folder.iterdir())
