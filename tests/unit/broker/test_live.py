"""What workers tell of a part while they are at it: it counts at once, and never twice."""

from __future__ import annotations

import pytest
import redis
from helpers.jobs import answered
from helpers.progress import begun, lease_on, progress, read

from askpix.producer import Answer, Kind
from askpix.producer.live import Glimpse, PartLive
from askpix.producer.progress import Progress

__all__ = ["progress"]


def test_failures_are_counted_by_code_as_they_come_and_once(progress: Progress) -> None:
    begun(progress, failed=3, codes={"http_404": 2, "timeout": 1})
    first, second = lease_on(progress, 0), lease_on(progress, 1)
    first.live(PartLive(done=4, new=4, codes={"http_404": 1}))
    second.live(PartLive(done=3, new=3, codes={"bad_url": 2}))
    assert read(progress).codes == {"http_404": 3, "timeout": 1, "bad_url": 2}

    first.done(ok=6, codes={"http_404": 2}, how=PartLive(done=8, new=8))
    second.release()
    assert read(progress).codes == {"http_404": 4, "timeout": 1}

    # A part that is done twice counts once.
    lease_on(progress, 0).done(ok=6, codes={"http_404": 2}, how=PartLive(done=8))
    told = read(progress)
    assert (told.codes, told.failed) == ({"http_404": 4, "timeout": 1}, 5)


def test_what_a_dead_worker_told_of_a_part_goes_with_it(progress: Progress) -> None:
    begun(progress)
    lease_on(progress, 0).live(PartLive(done=5, codes={"timeout": 5}))
    progress.forget_leases()

    again = lease_on(progress, 0)
    assert (read(progress).live, read(progress).codes) == (0, {})
    again.live(PartLive(done=2))
    assert (read(progress).live, read(progress).codes) == (2, {})


def test_a_worker_that_comes_too_late_changes_no_counts(progress: Progress) -> None:
    # Given: one that was frozen until another had its part.
    begun(progress)
    late = lease_on(progress, 0)
    late.live(PartLive(done=4, codes={"timeout": 4}))
    progress.forget_leases()
    second = lease_on(progress, 0)
    second.live(PartLive(done=6, codes={"bad_url": 1}))

    # When it tells, and gives up, while the other is at it
    late.live(PartLive(done=9, codes={"timeout": 9}))
    late.release()
    assert (read(progress).live, read(progress).codes) == (6, {"bad_url": 1})

    # And when it tells after the other's end
    second.done(ok=9, codes={"bad_url": 1}, how=PartLive(done=10))
    late.live(PartLive(done=9, codes={"timeout": 9}))

    # Then
    told = read(progress)
    assert (told.live, told.ok, told.codes, told.done) == (0, 9, {"bad_url": 1}, 10)
    assert progress._redis.hlen(progress.keys.leases) == 0


def test_what_could_not_be_told_is_credited_when_it_can_be(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(progress)
    lease = progress.claim(0, worker="one")
    assert lease is not None
    with monkeypatch.context() as patch:
        patch.setattr(lease, "_redis", redis.Redis(port=1, socket_connect_timeout=1))
        with pytest.raises(redis.ConnectionError):
            lease.live(PartLive(done=8, new=8))

    lease.live(PartLive(done=9, new=9))

    assert read(progress).workers == {"one": 9}


def test_of_very_many_workers_the_later_ones_count_together(progress: Progress) -> None:
    begun(progress)
    for number in range(600):
        lease = progress.claim(number % 50, worker=f"askpix-{number}@host")
        assert lease is not None
        lease.live(PartLive(done=1, new=1))
        lease.release()

    workers = read(progress).workers
    assert len(workers) < 510
    assert sum(workers.values()) == 600
    assert workers["others"] > 90


def test_each_worker_is_credited_with_what_it_made(progress: Progress) -> None:
    begun(progress)
    one, two = progress.claim(0, worker="one"), progress.claim(1, worker="two")
    assert one is not None
    assert two is not None
    one.live(PartLive(done=3, new=3))
    one.live(PartLive(done=5, new=5))
    two.live(PartLive(done=1, new=1))
    assert read(progress).workers == {"one": 5, "two": 1}

    # When one gives its part back, and the other carries on with what was kept
    one.release()
    again = progress.claim(0, worker="two")
    assert again is not None
    again.live(PartLive(done=5, new=0))
    again.done(ok=8, codes={}, how=PartLive(done=8, new=3))

    # Then
    assert read(progress).workers == {"one": 5, "two": 4}


def test_the_newest_answers_are_there_for_whoever_looks(progress: Progress) -> None:
    begun(progress)
    lease = lease_on(progress, 0)
    glimpses = (Glimpse(id="2.jpg", text="a \x1b[2J mug\n", confidence=0.5), Glimpse(id="1.jpg", text="none", code="x"))
    lease.live(PartLive(done=2, latest=glimpses))
    lease.live(PartLive(done=3))
    assert read(progress).latest == glimpses

    lease.done(ok=4, codes={}, how=PartLive(done=4, latest=(Glimpse(id="4.jpg", text="a hat"),)))
    assert [glimpse.id for glimpse in read(progress).latest] == ["4.jpg"]

    begun(progress)
    assert read(progress).latest == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '[{"id": 3}]', '{"a": "b"}', '["\\ud800"]', '[{"id": "a", "text": "b", "confidence": NaN}]'],
)
def test_what_another_version_told_of_a_part_is_left_out(text: str, progress: Progress) -> None:
    begun(progress)
    progress._redis.hset(progress.keys.counters, mapping={"latest": text, "codes:7": text})

    told = read(progress)

    assert (told.latest, dict(told.codes)) == ((), {})


def test_a_text_that_surely_does_not_fit_is_a_sure_answer() -> None:
    def answer(kind: Kind, confidence: float) -> Answer:
        return Answer(name="q", kind=kind, question="q", text="no", confidence=confidence, tokens=0)

    row = answered("a", answer(Kind.MATCH, 0.05), answer(Kind.OPEN, 0.7))

    assert Glimpse.of(row).confidence == 0.7
    assert Glimpse.of(answered("a", answer(Kind.MATCH, 0.05))).confidence == 0.95
