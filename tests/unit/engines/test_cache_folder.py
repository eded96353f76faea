"""Compiled models are executed: they are kept where only their user can write, and nowhere else."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from askpix.worker.cache_folder import KEEP_DAYS, only_one, own_folder, settle


def test_the_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    folder = own_folder(tmp_path / "a" / "b")

    assert folder == tmp_path / "a" / "b" / "models"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert own_folder(tmp_path / "a" / "b") == folder


def test_a_folder_that_anyone_may_write_to_can_hold_it(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume").chmod(0o777)

    folder = own_folder(tmp_path / "volume")

    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700


def open_to_others(parent: Path) -> Path:
    (parent / "models").mkdir()
    (parent / "models").chmod(0o770)
    return parent


def a_link(parent: Path) -> Path:
    (parent / "elsewhere").mkdir()
    (parent / "models").symlink_to(parent / "elsewhere")
    return parent


def a_file(parent: Path) -> Path:
    (parent / "models").touch()
    return parent


def nowhere(parent: Path) -> Path:
    return Path("/proc/askpix-cannot-be-here")


@pytest.mark.parametrize("unfit", [open_to_others, a_link, a_file, nowhere])
def test_where_it_cannot_be_its_own_nothing_is_kept_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, unfit: object
) -> None:
    assert callable(unfit)

    assert own_folder(unfit(tmp_path)) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "models" in record.message
    assert "\n" not in record.message


def test_what_has_not_been_used_for_long_is_removed(tmp_path: Path) -> None:
    # Given: whole graphs, and a GPU's kernels
    ages = {"old.blob": KEEP_DAYS + 1, "young.blob": KEEP_DAYS - 1, "new.blob": 0}
    for name, days in {**ages, "old.cl_cache": KEEP_DAYS + 1, "new.cl_cache": 0}.items():
        (tmp_path / name).write_bytes(b"x")
        then = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    # Written long ago, loaded lately.
    (tmp_path / "loaded.blob").write_bytes(b"x")
    os.utime(tmp_path / "loaded.blob", (time.time() - 24 * 3600, time.time() - 90 * 24 * 3600))
    (tmp_path / "old.txt").touch()
    os.utime(tmp_path / "old.txt", (0, 0))

    # When
    settle(tmp_path)

    # Then
    left = ["loaded.blob", "new.blob", "new.cl_cache", "old.txt", "young.blob"]
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def hold(folder: Path, holding: object, let_go: object) -> None:
    with only_one(folder):
        holding.set()  # type: ignore[attr-defined]
        let_go.wait(30)  # type: ignore[attr-defined]


def wait_for(folder: Path, done: object) -> None:
    with only_one(folder):
        done.set()  # type: ignore[attr-defined]


def test_one_process_at_a_time_compiles_and_one_that_is_killed_lets_go(tmp_path: Path) -> None:
    # Given: a process that compiles, and one that waits for it.
    context = multiprocessing.get_context("spawn")
    holding, let_go, done = context.Event(), context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path, holding, let_go))
    first.start()
    assert holding.wait(30)
    second = context.Process(target=wait_for, args=(tmp_path, done))
    second.start()
    assert not done.wait(0.3)

    # When
    first.kill()

    # Then
    assert done.wait(30)
    first.join()
    second.join()
    assert second.exitcode == 0


def test_without_room_for_a_lock_work_goes_on(tmp_path: Path) -> None:
    with only_one(tmp_path / "nowhere"):
        pass
