"""What is told of memory and processor time is what the system says."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from askpix.worker.cgroup import Memory, memory, memory_left
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.groups.process import add_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="what /proc says")


def told() -> dict[tuple[str, str], float]:
    families = Families()
    add_process(families)
    return {
        (sample.name, sample.labels.get("process", "")): sample.value
        for family in families
        for sample in family.samples
    }


@linux
def test_children_count_beside_the_worker() -> None:
    # Given: a child that has 64 MB and says when.
    code = "import sys; held = b'x' * (64 << 20); print(flush=True); sys.stdin.read()"
    before = told()
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()

    # When
    during = told()
    child.communicate()
    after = told()

    # Then
    others = ("askpix_resident_memory_bytes", "others")
    assert during[others] - before.get(others, 0) > 60 << 20
    assert after.get(others, 0) < during[others]
    seconds = ("askpix_cpu_seconds_total", "children")
    assert before[seconds] < during[seconds] <= after[seconds], "what a child has used stays used"
    assert during["askpix_resident_memory_bytes", "worker"] > 10 << 20
    assert during["askpix_cpu_seconds_total", "worker"] == pytest.approx(sum(os.times()[:2]), abs=5)


def test_the_tightest_limit_counts(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    (group / "worker").mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/worker\n")
    (tmp_path / "proc/self/mountinfo").write_text("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16000 kB\nMemAvailable: 9000 kB\n")
    machine = Memory(used=7_000 * 1024, limit=16_000 * 1024)
    assert memory(tmp_path) == machine

    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("5000000\n")
    assert memory(tmp_path) == machine

    (group / "worker/memory.max").write_text("3000000\n")
    (group / "worker/memory.current").write_text("2900000\n")
    assert memory(tmp_path) == Memory(used=2_900_000, limit=3_000_000)

    # Files that were read, and nobody needs, make room.
    (group / "worker/memory.stat").write_text("anon 900000\ninactive_file 1500000\nactive_file 500000\n")
    assert memory(tmp_path) == Memory(used=1_400_000, limit=3_000_000)
    assert memory_left(tmp_path) == 1_600_000


def test_the_older_control_groups_say_it_too(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/memory"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/docker/a\n")
    (tmp_path / "proc/self/mountinfo").write_text(
        "30 24 0:26 /docker/a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    )
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16000 kB\nMemAvailable: 9000 kB\n")
    (group / "memory.limit_in_bytes").write_text("3000000\n")
    (group / "memory.usage_in_bytes").write_text("2900000\n")
    (group / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 900000\n")

    assert memory(tmp_path) == Memory(used=2_000_000, limit=3_000_000)


def test_nobody_says(tmp_path: Path) -> None:
    assert memory(tmp_path) is None


@linux
def test_what_a_file_holds_is_nobodys_own(tmp_path: Path) -> None:
    # Given: 64 MB of a file, as of a model's weights, all of it read.
    path = tmp_path / "weights"
    path.write_bytes(bytes(64 << 20))
    own = ("askpix_resident_memory_bytes", "worker")
    before = told()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        # When
        assert sum(mapped[::4096]) == 0
        during = told()

    # Then
    assert during[own] - before[own] < 32 << 20


@linux
def test_the_memory_that_is_used_is_told_beside_its_limit() -> None:
    found = told()
    assert 0 < found["askpix_memory_used_bytes", ""] <= found["askpix_memory_limit_bytes", ""]
