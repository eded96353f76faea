"""Load threads: in order, so many at a time for one host, and later where that was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from askpix.worker.hosts import Hosts
from askpix.worker.load_threads import LoadThreads

SECONDS = 20


@pytest.fixture
def threads() -> Iterator[LoadThreads]:
    threads = LoadThreads(4, Hosts(2))
    yield threads
    threads.close()


def test_a_slow_host_keeps_no_other_waiting(threads: LoadThreads) -> None:
    # Given: many tasks for a host that takes its time.
    gate, begun, ended = threading.Event(), [], threading.Semaphore(0)

    def slow(number: int) -> None:
        begun.append(number)
        gate.wait(SECONDS)
        ended.release()

    for number in range(10):
        threads.put(lambda number=number: slow(number), "slow.test")

    # Then: others are done at once, by the threads that are left.
    quick = threading.Semaphore(0)
    for host in ("quick.test", None):
        for _ in range(20):
            threads.put(quick.release, host)
    assert all(quick.acquire(timeout=SECONDS) for _ in range(40))
    assert begun == [0, 1]

    # And when it goes on, its own are done in order.
    gate.set()
    assert all(ended.acquire(timeout=SECONDS) for _ in range(10))
    assert begun == list(range(10))


def test_what_is_to_be_done_later_is_done_later_and_takes_no_thread(threads: LoadThreads) -> None:
    done, said = threading.Event(), []
    began = time.monotonic()
    for name, seconds in (("b", 0.2), ("a", 0.1), ("c", 0.3)):
        threads.put_later(seconds, lambda name=name: said.append((name, time.monotonic() - began)))
    threads.put_later(0.4, done.set)
    assert done.wait(SECONDS)
    assert [name for name, _ in said] == ["a", "b", "c"]
    assert all(at >= seconds for (_, at), seconds in zip(said, (0.1, 0.2, 0.3), strict=True))


def test_a_host_that_asks_for_rest_has_it_and_others_go_on(threads: LoadThreads) -> None:
    rested, other = threading.Event(), threading.Event()
    began = time.monotonic()
    threads.hold("tired.test", 0.3)
    threads.put(rested.set, "tired.test")
    threads.put(other.set, "other.test")
    assert other.wait(SECONDS)
    assert not rested.is_set()
    assert rested.wait(SECONDS)
    assert time.monotonic() - began >= 0.3


def test_a_task_that_raises_gives_its_place_back(threads: LoadThreads) -> None:
    def fail() -> None:
        raise SystemExit

    for _ in range(20):
        threads.put(fail, "a.test")
    done = threading.Event()
    threads.put(done.set, "a.test")
    assert done.wait(SECONDS)
