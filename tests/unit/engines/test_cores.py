"""Workers share a machine without fighting for CPUs, and take no more threads than they are given time for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from askpix.producer.errors import WorkerError
from askpix.worker import cores
from askpix.worker.cgroup import cpu_quota
from askpix.worker.cores import Cores, chosen, shared_out, shown, side_by_side

EIGHT = tuple(range(8))


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may use eight CPUs, without a quota."""
    monkeypatch.setattr(cores, "allowed", lambda: EIGHT)
    monkeypatch.setattr(cores, "cpu_quota", lambda: None)


def test_without_anything_said_all_that_the_process_may_use_is_used() -> None:
    mine = os.sched_getaffinity(0)
    quota = cpu_quota()

    assert set(chosen().cpus) == mine
    assert chosen().threads == (len(mine) if quota is None else min(len(mine), max(1, int(-(-quota // 1)))))


@pytest.mark.parametrize(
    ("cpus", "threads", "expected"),
    [
        (None, None, (EIGHT, 8)),
        ("0-3", None, ((0, 1, 2, 3), 4)),
        ("6,0-2,1", None, ((0, 1, 2, 6), 4)),
        ("7", None, ((7,), 1)),
        (None, 3, (EIGHT, 3)),
        ("2-5", 2, ((2, 3, 4, 5), 2)),
    ],
)
def test_cpus_and_threads_are_what_was_said(
    eight: None, cpus: str | None, threads: int | None, expected: tuple[tuple[int, ...], int]
) -> None:
    assert chosen(cpus, threads) == Cores(cpus=expected[0], threads=expected[1])


@pytest.mark.parametrize(("quota", "threads"), [(0.2, 1), (1.0, 1), (1.5, 2), (2.0, 2), (7.01, 8), (8.0, 8), (40.0, 8)])
def test_a_quota_gives_a_thread_for_each_cpu_that_it_begins(
    eight: None, monkeypatch: pytest.MonkeyPatch, quota: float, threads: int
) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)

    assert chosen() == Cores(cpus=EIGHT, threads=threads)


def test_who_names_threads_may_take_more_than_the_quota(eight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.0)

    assert chosen(threads=4).threads == 4


@pytest.mark.parametrize(
    ("cpus", "threads", "words"),
    [
        ("8", None, "there is no CPU 8 for this process, but 0-7"),
        ("0-99999", None, "there is no CPU 8"),
        ("3-1", None, "3-1 counts backwards"),
        ("", None, "is no list of CPUs"),
        ("0-", None, "is no list of CPUs"),
        ("all", None, "is no list of CPUs"),
        ("-1", None, "is no list of CPUs"),
        ("0-3", 5, "--threads 5 does not go with 4 CPUs (0-3)"),
        ("3", 2, "--threads 2 does not go with 1 CPU (3)"),
        (None, 0, "--threads 0"),
        (None, -1, "--threads -1"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(eight: None, cpus: str | None, threads: int | None, words: str) -> None:
    with pytest.raises(WorkerError) as caught:
        chosen(cpus, threads)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# Replicas. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_replicas_share_all_cpus_out_as_evenly_as_can_be(count: int) -> None:
    shares = shared_out(Cores(cpus=EIGHT, threads=8), count)

    assert tuple(cpu for share in shares for cpu in share.cpus) == EIGHT
    sizes = [len(share.cpus) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert [share.threads for share in shares] == sizes


@pytest.mark.parametrize(
    ("quota_threads", "count", "threads"), [(4, 2, [2, 2]), (5, 2, [2, 3]), (1, 2, [1, 1]), (3, 8, [1] * 8)]
)
def test_replicas_share_the_threads_of_a_quota_out_too(quota_threads: int, count: int, threads: list[int]) -> None:
    shares = shared_out(Cores(cpus=EIGHT, threads=quota_threads), count)

    assert [share.threads for share in shares] == threads


def test_threads_that_are_named_are_those_of_each_replica() -> None:
    shares = shared_out(Cores(cpus=EIGHT, threads=2), 2, 2)

    assert [(share.cpus, share.threads) for share in shares] == [((0, 1, 2, 3), 2), ((4, 5, 6, 7), 2)]


@pytest.mark.parametrize(
    ("count", "threads", "words"),
    [
        (9, None, "--replicas 9 does not go with 8 CPUs (0-7)"),
        (4, 3, "--threads 3 does not go with 2 CPUs for a replica (0-1)"),
        (3, 3, "--threads 3 does not go with 2 CPUs for a replica (0-1)"),
    ],
)
def test_replicas_that_would_have_to_share_a_cpu_are_refused(count: int, threads: int | None, words: str) -> None:
    with pytest.raises(WorkerError) as caught:
        shared_out(Cores(cpus=EIGHT, threads=threads or 8), count, threads)

    assert str(caught.value) == words


def test_the_two_threads_of_a_core_stay_together(tmp_path: Path) -> None:
    # Given: two chips of two cores, numbered as Linux does on servers: second threads come last.
    for cpu in range(8):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{cpu // 2 % 2}\n")
        (topology / "core_id").write_text(f"{cpu % 2}\n")

    # When
    order = side_by_side(range(8), tmp_path)

    # Then
    assert order == (0, 4, 1, 5, 2, 6, 3, 7)
    shares = shared_out(Cores(cpus=order, threads=8), 2)
    assert [shown(share.cpus) for share in shares] == ["0,4,1,5", "2,6,3,7"]


def test_where_nothing_is_known_of_places_numbers_count(tmp_path: Path) -> None:
    assert side_by_side({3, 1, 2}, tmp_path) == (1, 2, 3)


@pytest.mark.parametrize(("cpus", "text"), [((0,), "0"), ((0, 1, 2, 8), "0-2,8"), ((3, 5, 6), "3,5-6"), ((), "")])
def test_cpus_are_shown_as_they_are_written(cpus: tuple[int, ...], text: str) -> None:
    assert shown(cpus) == text


# The quota of a control group. --------------------------------------------------------------------


def machine(root: Path, cgroup: str, mounts: str, files: dict[str, str]) -> Path:
    """Writes what Linux shows of control groups."""
    for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime master:11 - cgroup cgroup rw,cpu,cpuacct"
MEMORY = "34 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"


def test_a_container_with_a_control_group_of_version_2(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/", V2, {"sys/fs/cgroup/cpu.max": "150000 100000"})

    assert cpu_quota(root) == 1.5


def test_a_service_is_bound_by_the_slices_that_it_is_in(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/a.slice/cpu.max": "200000 100000",
        "sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000",
    }

    assert cpu_quota(machine(tmp_path, "0::/a.slice/b.service", V2, files)) == 2


def test_a_container_with_a_control_group_of_version_1_that_sees_the_path_of_the_host(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    mounts = f"{V1.format(root='/docker/abc')}\n{MEMORY}"

    assert cpu_quota(machine(tmp_path, "7:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/", mounts, files)) == 0.5


def test_a_group_of_version_1_below_that_of_the_mount(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us": "300000",
        "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us": "100000",
    }

    assert cpu_quota(machine(tmp_path, "3:cpu,cpuacct:/jobs", V1.format(root="/"), files)) == 3


@pytest.mark.parametrize("text", ["max 100000", "", "nonsense", "0 0"])
def test_without_a_limit_there_is_none(tmp_path: Path, text: str) -> None:
    assert cpu_quota(machine(tmp_path, "0::/", V2, {"sys/fs/cgroup/cpu.max": text})) is None


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
