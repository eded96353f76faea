"""What is told of memory and processor time is what the system says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from askpix.worker.cgroup import memory_limit
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.process import add_process

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
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16000 kB\nMemAvailable: 9 kB\n")
    assert memory_limit(tmp_path) == 16_384_000

    (group / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path) == 16_384_000

    (group / "worker/memory.max").write_text("3000000\n")
    assert memory_limit(tmp_path) == 3_000_000


def test_nobody_says(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None
