"""Of what a page asks the latest counts, until it is cleared; and no page stops what another one asks."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial

import pytest
from helpers.processes import wait_until
from helpers.sitting import Ask, ask, playground, source

from askpix.producer.errors import AskpixError
from askpix.worker.playground.playground import Playground, Shown
from askpix.worker.playground.sitting import Sittings

__all__ = ["ask", "playground", "source"]


def test_what_is_asked_stops_what_was_and_pages_that_close_stop_theirs() -> None:
    sittings, told = Sittings(), list[str]()
    with sittings.asking("a") as (_, first):
        first.listen(partial(told.append, "first"))
        with sittings.asking("a") as (_, second):
            assert (first.is_set, second.is_set, told) == (True, False, ["first"])
            first.listen(partial(told.append, "late"))
            assert told == ["first", "late"]

            sittings.end("a")
            assert second.is_set
    assert sittings.find("a") is None


def test_strangers_who_click_stop_nobody(playground: Playground) -> None:
    with playground.sittings.asking("victim") as (_, stop):
        for number in range(200):
            playground.stop(str(number))
            playground.clear(str(number))
            assert playground.sittings.find(str(number)) is None
        assert not stop.is_set


def test_pages_without_number_are_not_remembered_but_for_those_that_wait_for_an_answer() -> None:
    sittings = Sittings()
    with sittings.asking("victim") as (sitting, stop):
        for number in range(200):
            with sittings.asking(str(number)):
                pass
        assert not stop.is_set
        assert sittings.find("victim") is sitting
    assert sittings.find("0") is None
    assert sittings.find("199") is not None


def test_where_all_pages_wait_for_answers_no_other_may_ask(ask: Ask, playground: Playground) -> None:
    with ExitStack() as stack:
        stops = [stack.enter_context(playground.sittings.asking(str(number)))[1] for number in range(100)]
        with pytest.raises(AskpixError), playground.sittings.asking("one more"):
            pass
        (shown,) = ask("a", "what?", page="one more")
        assert "ask again in a moment" in (shown[0].told.problem or "")
        assert not any(stop.is_set for stop in stops)
    assert list(ask("a", "what?", page="one more"))[-1][0].told.problem is None


# Those that wait.


def test_so_many_are_answered_at_a_time_and_so_many_wait(ask: Ask, playground: Playground) -> None:
    # Given: two that are answered, and two that wait for them.
    answered = [ask("a", "what?", page=f"answered {number}") for number in range(2)]
    for one in answered:
        next(one)
    waiting = [ask("a", "what?", page=f"waiting {number}") for number in range(2)]
    assert [next(one)[0].told.facts for one in waiting] == ["waiting for others"] * 2
    ended: list[str] = []
    threads = [threading.Thread(target=lambda one=one: ended.append(list(one)[-1][0].told.facts)) for one in waiting]
    for thread in threads:
        thread.start()
    wait_until(lambda: playground.places.waiting == 2, within=30, what="both to wait")

    # Then: one more is told so, and one that waits can be stopped.
    assert "too many questions" in (list(ask("a", "what?", page="one more"))[-1][0].told.problem or "")
    playground.stop("waiting 0")
    threads[0].join(30)
    assert ended == ["stopped"]

    # And: the other one has its answer once there is a place for it.
    assert list(answered[0])[-1][0].told.said is not None
    threads[1].join(30)
    assert ended == ["stopped", "confidence 1.00"]


def test_of_a_page_one_question_waits(ask: Ask, playground: Playground) -> None:
    answered = [ask("a", "what?", page=f"answered {number}") for number in range(2)]
    for one in answered:
        next(one)
    ended: list[list[tuple[Shown, ...]]] = []
    threads: list[threading.Thread] = []
    for number in range(6):
        one = ask("a", f"{number}?")
        next(one)
        threads.append(threading.Thread(target=lambda one=one: ended.append(list(one))))
        threads[-1].start()
        wait_until(lambda number=number: len(ended) == number and playground.places.waiting == 1, within=30, what="it")
    playground.clear("page")
    for thread in threads:
        thread.join(30)
    assert [len(shown) for shown in ended] == [0, 0, 0, 0, 0, 1]
    assert playground.places.waiting == 0
