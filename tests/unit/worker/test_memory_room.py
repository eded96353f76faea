"""Memory that threads share, and time that does not count while they wait for it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from helpers.processes import wait_until

from askpix.worker import stopwatch
from askpix.worker.memory_room import Room
from askpix.worker.stopwatch import Stopwatch

SECONDS = 20


def _taking(room: Room, amount: int, order: list[int], taken: threading.Semaphore) -> None:
    def take() -> None:
        room.take(amount)
        order.append(amount)
        taken.release()

    threading.Thread(target=take, daemon=True).start()


def test_who_comes_first_is_served_first_even_where_the_next_would_fit() -> None:
    # Given
    room, order, taken = Room(10), list[int](), threading.Semaphore(0)
    room.take(6)
    _taking(room, 8, order, taken)
    wait_until(lambda: len(room._order) == 1, within=SECONDS, what="one that waits")
    _taking(room, 3, order, taken)
    wait_until(lambda: len(room._order) == 2, within=SECONDS, what="two that wait")

    # Then
    assert order == []
    room.give_back(6)
    assert taken.acquire(timeout=SECONDS)
    assert order == [8]
    room.give_back(8)
    assert taken.acquire(timeout=SECONDS)
    assert order == [8, 3]


def test_who_waits_no_longer_takes_nothing_and_lets_the_next_have_it() -> None:
    room, order, taken = Room(10), list[int](), threading.Semaphore(0)
    assert room.take(6)

    assert not room.take(8, until=0)
    assert room.take(4, until=0)
    room.give_back(4)
    _taking(room, 8, order, taken)
    wait_until(lambda: len(room._order) == 1, within=SECONDS, what="one that waits")
    # Not before who came first, although there is enough.
    assert not room.take(3, until=0)
    room.give_back(6)
    assert taken.acquire(timeout=SECONDS)
    assert room.take(2, until=0)


def test_never_is_more_taken_than_there_is() -> None:
    # Given
    room, held, most = Room(10), [0], [0]
    lock = threading.Lock()

    def use(amount: int) -> None:
        for _ in range(200):
            room.take(amount)
            with lock:
                held[0] += amount
                most[0] = max(most[0], held[0])
            with lock:
                held[0] -= amount
            room.give_back(amount)

    threads = [threading.Thread(target=use, args=(amount,)) for amount in (1, 3, 5, 7, 10)]

    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    # Then
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] <= 10
    room.take(10)


def test_what_a_thread_waits_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: now))
    watch = Stopwatch()
    assert watch.longest() == 0
    with watch.running():
        now += 5
        assert watch.longest() == 5
        with watch.stopped():
            now += 100
            assert watch.longest() == 0
        now += 2
        assert watch.longest() == 7
    assert watch.longest() == 0
    with watch.stopped():
        now += 1
    assert watch.longest() == 0
