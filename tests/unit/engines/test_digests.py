"""A file is hashed again when it may have changed, and only then."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from pathlib import Path

import pytest

from askpix.worker import digests as module
from askpix.worker.digests import Digests


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to remember digests in, of files that were written this very moment too."""
    monkeypatch.setattr(module, "_TICK_NS", -1)
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"0123456789" * 1_000)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hashed(caplog: pytest.LogCaptureFixture) -> int:
    """Returns how many files were hashed since this was last asked."""
    count = sum("hashed" in record.message for record in caplog.records)
    caplog.clear()
    return count


def test_a_file_is_hashed_once_by_all_processes_of_a_user(
    memory: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "askpix")

    assert Digests(memory).of(weights) == sha256(weights)
    assert hashed(caplog) == 1
    assert Digests(memory).of(weights) == sha256(weights)
    assert hashed(caplog) == 0


def written_over(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(5_000)
        file.write(b"X")
    # As a program that means to hide it would do.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"9876543210" * 1_000)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def cut_off(path: Path) -> None:
    os.truncate(path, 9_999)


@pytest.mark.parametrize("change", [written_over, replaced, cut_off])
def test_a_file_that_was_changed_is_hashed_again(memory: Path, weights: Path, change: object) -> None:
    # Given
    before = Digests(memory).of(weights)
    marks = module._marks(weights.stat())

    # When: file systems tell times apart that lie some milliseconds apart.
    assert callable(change)
    deadline = time.monotonic() + 5
    change(weights)
    while module._marks(weights.stat()) == marks and time.monotonic() < deadline:
        change(weights)

    # Then
    assert Digests(memory).of(weights) == sha256(weights) != before


def test_a_copy_elsewhere_is_a_file_of_its_own(
    memory: Path, weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "askpix")
    Digests(memory).of(weights)
    copy = shutil.copy2(weights, tmp_path / "copy.bin")

    assert Digests(memory).of(Path(copy)) == sha256(weights)
    assert hashed(caplog) == 2


def test_a_file_that_was_written_just_now_is_not_remembered(
    tmp_path: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "askpix")

    for _ in range(2):
        Digests(tmp_path).of(weights)

    assert hashed(caplog) == 2


def test_a_damaged_memory_is_none(memory: Path, weights: Path) -> None:
    Digests(memory).of(weights)
    (memory / "digests.json").write_text('{"x": [1')

    assert Digests(memory).of(weights) == sha256(weights)
    assert Digests(memory).of(weights) == sha256(weights)


@pytest.mark.parametrize("folder", [None, Path("/proc/nowhere")])
def test_without_a_memory_digests_are_right_all_the_same(weights: Path, folder: Path | None) -> None:
    assert Digests(folder).of(weights) == sha256(weights)


def test_the_memory_does_not_grow_for_ever(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    for number in range(5):
        path = tmp_path / f"{number}"
        path.write_text(str(number))
        Digests(memory).of(path)

    known = (memory / "digests.json").read_text()
    assert [f"/{number}" in known for number in range(5)] == [False, False, True, True, True]
