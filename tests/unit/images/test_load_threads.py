"""Load threads: in order, so many at a time for one host, and later where that was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from helpers.hosts import TIMEOUT, known

from askpix.worker.hosts import Hosts
from askpix.worker.load_threads import LoadThreads

SECONDS = 20


@pytest.fixture
def threads() -> Iterator[LoadThreads]:
    threads = LoadThreads(known("slow.test", Hosts(2, places=4)))
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


def test_who_waits_for_a_place_comes_before_who_has_just_had_it() -> None:
    # Given: a host that has all places, and more to load than anybody
    threads = LoadThreads(known("busy.test", Hosts(4, places=4)))
    gate, order, ended = threading.Event(), list[str](), threading.Semaphore(0)

    def task(name: str) -> None:
        gate.wait(SECONDS)
        order.append(name)
        ended.release()

    for _ in range(60):
        threads.put(lambda: task("busy"), "busy.test")

    # When: others come, and a file
    threads.judge("other.test", None)
    for _ in range(3):
        threads.put(lambda: task("other"), "other.test")
        threads.put(lambda: task("file"))
    gate.set()
    assert all(ended.acquire(timeout=SECONDS) for _ in range(66))

    # Then: they have their turns.
    assert max(order.index(name, 3) for name in ("other", "file")) < 30
    assert order.index("other") < 12
    assert order.index("file") < 12
    threads.close()


def test_threads_are_bounded_whatever_becomes_of_hosts() -> None:
    # Given: an engine that takes nothing, and a host for each image
    threads = LoadThreads(Hosts(4, places=4))
    gate, ended = threading.Semaphore(0), threading.Semaphore(0)

    def task(host: str) -> None:
        threads.answered(host)
        threads.judge(host, None)
        gate.acquire(timeout=SECONDS)
        ended.release()

    for number in range(100):
        threads.put(lambda number=number: task(f"{number}.test"), f"{number}.test")

    # When it takes some, by and by
    for _ in range(50):
        gate.release()
        assert ended.acquire(timeout=SECONDS)

    # Then for each that has ended there is one more, and not a thread for each that waits for the engine.
    assert threads._threads <= 2 * 4
    gate.release(50)
    assert all(ended.acquire(timeout=SECONDS) for _ in range(50))
    threads.close()


def test_however_many_hosts_are_silent_threads_are_left_for_those_that_answer() -> None:
    # Given: four threads, one host that has answered, and many that never will.
    threads = LoadThreads(Hosts(4, places=4))
    answered = threading.Semaphore(0)

    def good() -> None:
        threads.judge("good.test", None)
        answered.release()

    threads.put(good, "good.test")
    assert answered.acquire(timeout=SECONDS)
    gate, silent = threading.Event(), threading.Semaphore(0)

    def bad(host: str) -> None:
        gate.wait(SECONDS)
        threads.judge(host, TIMEOUT)
        silent.release()

    for number in range(40):
        threads.put(lambda number=number: bad(f"{number % 20}.test"), f"{number % 20}.test")

    # Then: it is served while they are waited for.
    for _ in range(100):
        threads.put(good, "good.test")
    assert all(answered.acquire(timeout=SECONDS) for _ in range(100))
    assert not silent.acquire(blocking=False)

    # And they all have their turn.
    gate.set()
    assert all(silent.acquire(timeout=SECONDS) for _ in range(40))
    threads.close()


def test_a_rate_holds_across_threads() -> None:
    threads = LoadThreads(known("a.test", Hosts(4, rate=50, places=4)))
    ended, times = threading.Semaphore(0), []

    def task() -> None:
        times.append(time.monotonic())
        ended.release()

    for _ in range(11):
        threads.put(task, "a.test")
    assert all(ended.acquire(timeout=SECONDS) for _ in range(11))
    # However late a thread is, the next ones make up for it, by one place at the most.
    assert max(times) - min(times) >= 8.5 / 50
    threads.close()
