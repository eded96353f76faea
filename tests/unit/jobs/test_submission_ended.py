"""Writing a job that does not come to its end: nothing is left hanging, and nothing says that it is whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.submitting import Storage, submit

from askpix.producer import input_writer, submission
from askpix.producer.errors import AskpixError, InputError, StorageError
from askpix.producer.storage import LocalStorage


def writers() -> int:
    return sum(thread.name == "input-writer" and thread.is_alive() for thread in threading.enumerate())


class Lead:
    """A list, and a storage so slow that the list is always read as far ahead of it as may be.

    Args:
        parts: of two items each.
        ahead: how many of them may be read and not yet written.
    """

    def __init__(self, *, parts: int, ahead: int) -> None:
        self._items, self._ahead = 2 * parts, 2 * ahead
        self._read = 0
        self._further = threading.Condition()
        self.seen: list[int] = []
        """How many items were read at each write."""

    def items(self) -> Iterator[str]:
        for number in range(1, self._items + 1):
            with self._further:
                self._read = number
                self._further.notify_all()
            yield f"{number:09d}.jpg"

    def before(self, _: str) -> None:
        with self._further:
            wanted = min(self._items, 2 * len(self.seen) + self._ahead)
            assert self._further.wait_for(lambda: self._read >= wanted, 20)
            self.seen.append(self._read)


def test_the_first_part_that_cannot_be_written_ends_it(tmp_path: Path) -> None:
    def before(name: str) -> None:
        if "part-000003." in name:
            raise StorageError("the disk is full")

    endless = (f"{number}.jpg" for number in iter(int, 1))

    with pytest.raises(StorageError, match="the disk is full"):
        submit(Storage(tmp_path, before), endless, part_size=2)

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_the_last_part_that_cannot_be_written_ends_it_too(tmp_path: Path) -> None:
    def before(name: str) -> None:
        raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="the disk is full"):
        submit(Storage(tmp_path, before), ["a"])

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_a_list_that_breaks_off_ends_it(tmp_path: Path) -> None:
    def items() -> Iterator[str]:
        yield from map(str, range(50))
        raise InputError("line 51: not JSON")

    with pytest.raises(AskpixError, match="line 51"):
        submit(tmp_path, items(), part_size=2)

    assert not (tmp_path / "job.json").exists()
    assert writers() == 0


def test_few_parts_are_held_while_storage_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_BLOCK_ITEMS", 2)
    lead = Lead(parts=200, ahead=48)

    submit(Storage(tmp_path, lead.before), lead.items(), part_size=2)

    ahead = [count - 2 * index for index, count in enumerate(sorted(lead.seen))]
    assert len(ahead) == 200
    assert max(ahead) <= 2 * (48 + 16 + 2)


def test_huge_parts_are_held_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_writer, "_CHARACTERS", 10)
    monkeypatch.setattr(submission, "_BLOCK_ITEMS", 2)
    lead = Lead(parts=10, ahead=2)

    submit(Storage(tmp_path, lead.before), lead.items(), part_size=2)

    # One part is written, and the next one read.
    assert lead.seen == [2 * min(part + 2, 10) for part in range(10)]


_SUBMITTING = """
import os
import threading
from pathlib import Path

from askpix.producer import input_writer
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import Order
from askpix.producer.storage import LocalStorage
from askpix.producer.submission import write_job

input_writer._END_SECONDS = 0.1


class Hanging(LocalStorage):
    def write(self, name, data, *, settled=True):
        os.write(1, b"stuck\\n")
        threading.Event().wait()


images = (f"{{number}}.jpg" for number in range({count}))
folder = JobFolder(Hanging(Path("job")))
write_job(images, folder, Order(model="m", part_size=2), base="/shop")
"""


@pytest.mark.parametrize("count", [10_000, 1], ids=["while the list is read", "at the end"])
def test_ctrl_c_ends_it_even_where_a_write_hangs(tmp_path: Path, count: int) -> None:
    # Given: a storage that does not answer, in a process whose signals are no one else's.
    script = _SUBMITTING.format(count=count)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"

            # When
            process.send_signal(signal.SIGINT)

            # Then
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert errors.strip().endswith("KeyboardInterrupt")
    assert not (tmp_path / "job" / "job.json").exists()


def test_parts_are_settled_at_once_before_job_json_says_that_they_are_there(tmp_path: Path) -> None:
    done: list[str] = []

    class Noting(LocalStorage):
        def write(self, name: str, data: bytes, *, settled: bool = True) -> None:
            super().write(name, data, settled=settled)
            done.append(f"{name[:5]} {settled}")

        def settle(self, folder: str) -> None:
            done.append(f"settle {folder}")
            super().settle(folder)

        def create(self, name: str, data: bytes) -> bool:
            done.append(name)
            return super().create(name, data)

    submit(Noting(tmp_path), map(str, range(6)), part_size=2)

    assert done == ["input False"] * 3 + ["settle input", "job.json"]


def test_job_json_is_there_only_when_all_parts_are(tmp_path: Path) -> None:
    all_read = threading.Event()

    def before(name: str) -> None:
        assert all_read.wait(20)
        assert not (tmp_path / "job.json").exists()

    def items() -> Iterator[str]:
        yield from map(str, range(64))
        all_read.set()

    spec = submit(Storage(tmp_path, before), items(), part_size=2)

    assert len(list((tmp_path / "input").glob("part-*"))) == spec.parts == 32
    assert json.loads((tmp_path / "job.json").read_text())["items"] == 64
