"""Web servers: who has a place, what is learnt of each, and how much of that is remembered."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from helpers.hosts import TIMEOUT, known

from askpix.worker import hosts as hosts_module
from askpix.worker.host import Kind, Place
from askpix.worker.hosts import PROBE_SECONDS, STRANGER_SECONDS, Hosts
from askpix.worker.item_errors import ItemError

NOT_FOUND = ItemError("http_404", "the server answered 404")


def _begin(hosts: Hosts, name: str) -> list[Place]:
    return [place for _, place in hosts.next_of(hosts.of(name))]


def _let_go(hosts: Hosts, name: str) -> int:
    return len(_begin(hosts, name))


def _crowded(hosts: Hosts, name: str = "a.test", number: int = 100) -> Hosts:
    hosts.of(name).waiting.extend([lambda: None] * number)
    return hosts


def test_a_host_in_trouble_is_asked_for_less_at_a_time_until_it_does_better() -> None:
    # Given
    hosts = _crowded(Hosts(8))
    places = _begin(hosts, "a.test")
    assert len(places) == 8

    # When it fails, by and by
    limits = []
    for _ in range(4):
        hosts.judge("a.test", TIMEOUT)
        limits.append(hosts.of("a.test").limit)
    assert limits == [4, 2, 1, 1]

    # Then nothing more is begun with until the last of the eight has ended
    for _ in range(7):
        hosts.ended(places.pop())
        assert _let_go(hosts, "a.test") == 0
    hosts.ended(places.pop())
    assert _let_go(hosts, "a.test") == 1

    # And with each answer, even one that is no image, it is one more
    for expected in (2, 3, 4, 5, 6, 7, 8, 8):
        hosts.judge("a.test", NOT_FOUND)
        assert hosts.of("a.test").limit == expected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(hosts_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_host_that_is_silent_for_longer_than_anybody_waits_is_tried_now_and_then(clock: list[float]) -> None:
    hosts = Hosts(8, patience=100)
    hosts.judge("a.test", TIMEOUT)
    for _ in range(2):
        clock[0] += 49
        hosts.judge("a.test", TIMEOUT)
        assert hosts.refusal("a.test") is None
    clock[0] += 1

    # It is tried once in ten seconds, and not more.
    clock[0] += 2
    assert hosts.refusal("a.test") is None
    refusal = hosts.refusal("a.test")
    assert refusal is not None
    assert (refusal.code, refusal.retryable, refusal.message) == (
        "host_silent",
        True,
        "a.test has not answered for 101 s",
    )
    clock[0] += PROBE_SECONDS
    assert hosts.refusal("a.test") is None
    assert hosts.refusal("a.test") is not None
    assert hosts.refusal("b.test") is None

    # An answer of any kind shows that it is back.
    hosts.judge("a.test", NOT_FOUND)
    assert hosts.refusal("a.test") is None
    assert hosts.refusal("a.test") is None


def test_a_host_that_nobody_asked_for_long_is_not_called_silent(clock: list[float]) -> None:
    hosts = Hosts(8, patience=100)
    for _ in range(9):
        hosts.judge("a.test", TIMEOUT)
        clock[0] += 101
        assert hosts.refusal("a.test") is None


def test_what_a_host_asked_for_is_remembered_among_ever_so_many_others(clock: list[float]) -> None:
    hosts = Hosts(8)
    for number in range(6_000):
        _crowded(hosts, f"{number}.test", 1)
        (place,) = _begin(hosts, f"{number}.test")
        hosts.judge(f"{number}.test", None)
        hosts.ended(place)
    _crowded(hosts, "busy.test", 1)
    (place,) = _begin(hosts, "busy.test")
    hosts.refuse("busy.test", 3_600, TIMEOUT)
    hosts.ended(place)
    for number in range(6_000, 12_000):
        _crowded(hosts, f"{number}.test", 1)
        (place,) = _begin(hosts, f"{number}.test")
        hosts.judge(f"{number}.test", None)
        hosts.ended(place)
    assert hosts.refusal("busy.test") is TIMEOUT


def test_of_hosts_that_are_new_each_has_its_turn() -> None:
    # Given: as many as there may be of one, as nobody else waits
    hosts = _crowded(Hosts(8, places=16), "0.test")
    places = _begin(hosts, "0.test")
    assert len(places) == 8

    # Then: where others wait, one of each is begun with
    for number in range(1, 20):
        _crowded(hosts, f"{number}.test", 9)
    assert [_let_go(hosts, f"{number}.test") for number in range(1, 20)] == [8, *[0] * 18]
    names = []
    for place in places:
        hosts.ended(place)
        while (host := hosts.next_in_turn()) is not None:
            names += [host.name] * len(list(hosts.next_of(host, in_turn=True)))
    assert names == [f"{number}.test" for number in range(2, 10)]


def test_a_new_host_that_does_not_answer_soon_takes_the_place_of_no_other(clock: list[float]) -> None:
    # Given
    hosts = Hosts(8, places=4)
    for number in range(30):
        _crowded(hosts, f"{number}.test", 1)
    begun = [sum(_let_go(hosts, f"{number}.test") for number in range(30))]

    # When
    for _ in range(5):
        due = hosts.next_late()
        assert due == clock[0] + STRANGER_SECONDS
        clock[0] = due - 0.1
        hosts.note_late()
        assert hosts.next_in_turn() is None
        clock[0] = due
        hosts.note_late()
        turns = 0
        while (host := hosts.next_in_turn()) is not None:
            turns += len(list(hosts.next_of(host, in_turn=True)))
        begun.append(turns)
        if hosts.next_late() is None:
            break

    # Then: others come in, but there is an end to how many are waited for.
    assert begun == [4, 4, 4, 4, 0]

    # And one that answers in the end is as good as any.
    hosts.judge("0.test", None)
    assert hosts.of("0.test").kind is Kind.ANSWERS
    _crowded(hosts, "0.test", 1)
    assert _let_go(hosts, "0.test") == 1


def test_a_host_whose_image_has_come_is_not_late_however_long_that_waits_to_be_decoded(clock: list[float]) -> None:
    hosts = Hosts(8, places=4)
    for number in range(30):
        _crowded(hosts, f"{number}.test", 1)
    begun = [_begin(hosts, f"{number}.test") for number in range(30)]
    for number in range(4):
        hosts.answered(f"{number}.test")
    clock[0] += 60
    assert hosts.next_late() is None
    hosts.note_late()
    assert hosts.next_in_turn() is None
    assert sum(map(len, begun)) == 4


def test_each_kind_of_host_has_its_places() -> None:
    # Given: more than enough of each kind, and what is on no host
    hosts = Hosts(8, places=8)
    for number in range(20):
        hosts.judge(f"silent-{number}.test", TIMEOUT)
        known(f"good-{number}.test", hosts)
        for kind in ("silent", "new", "good"):
            _crowded(hosts, f"{kind}-{number}.test")
    hosts.of(None).waiting.extend([lambda: None] * 100)

    # When
    begun = {kind: sum(_let_go(hosts, f"{kind}-{n}.test") for n in range(20)) for kind in ("silent", "new", "good")}

    # Then
    assert begun == {"silent": 4, "new": 8, "good": 8}
    assert list(hosts.next_of(hosts.of(None))) == []


def test_a_rate_spaces_what_a_host_is_asked_for(clock: list[float]) -> None:
    hosts = _crowded(Hosts(8, rate=10))
    begun = 0
    for _ in range(50):
        begun += _let_go(hosts, "a.test")
        hosts.of("a.test").busy = 0
        clock[0] += 0.02
    # One more at the beginning: nobody knows when the last one before was.
    assert begun == 11


def test_of_hosts_without_end_few_are_remembered() -> None:
    hosts = Hosts(8)
    for number in range(20_000):
        _crowded(hosts, f"{number}.test", 1)
        (place,) = _begin(hosts, f"{number}.test")
        hosts.judge(f"{number}.test", None if number % 2 else TIMEOUT)
        hosts.ended(place)
    assert len(hosts._known) <= 5_001
