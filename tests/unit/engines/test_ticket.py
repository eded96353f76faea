"""A ticket: it ends once, and whoever wants to know is told, however it ends and whenever he asks."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from askpix.producer.rows import Answer, Kind
from askpix.worker.engine.ticket import Ticket
from askpix.worker.item_errors import RequestError

ANSWER = Answer(name="caption", kind=Kind.CAPTION, text="a mug", confidence=1.0, tokens=3)
OTHER = Answer(name="caption", kind=Kind.CAPTION, text="a lamp", confidence=1.0, tokens=3)
SECONDS = 30


def test_a_callback_is_called_once_when_the_ticket_ends_or_at_once_when_it_has() -> None:
    # Given
    ticket, called = Ticket(), list[str]()
    ticket.add_done_callback(lambda: called.append("before"))
    assert called == []

    # When
    ticket.resolve(ANSWER)
    ticket.add_done_callback(lambda: called.append("after"))

    # Then
    assert called == ["before", "after"]
    assert ticket.result() is ANSWER


def test_a_ticket_stays_as_it_ended() -> None:
    answered, failed, called = Ticket(), Ticket(), list[Ticket]()
    for ticket in (answered, failed):
        ticket.add_done_callback(lambda ticket=ticket: called.append(ticket))
    error = RequestError("model_failed", "no")

    answered.resolve(ANSWER)
    answered.resolve(OTHER)
    answered.fail(error)
    failed.fail(error)
    failed.resolve(ANSWER)

    assert answered.result() is ANSWER
    with pytest.raises(RequestError) as raised:
        failed.result()
    assert raised.value is error
    assert called == [answered, failed]


def test_what_a_callback_raises_is_logged_and_keeps_no_other_from_being_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given
    ticket, called = Ticket(), threading.Event()
    ticket.add_done_callback(lambda: [][0])
    ticket.add_done_callback(called.set)

    # When
    with caplog.at_level(logging.ERROR):
        ticket.resolve(ANSWER)

    # Then
    assert called.is_set()
    assert "callback failed" in caplog.text
    assert ticket.result() is ANSWER


def test_many_threads_wait_for_one_answer() -> None:
    ticket = Ticket()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(ticket.result, SECONDS) for _ in range(8)]
        ticket.resolve(ANSWER)
        assert [one.result(SECONDS) for one in waiting] == [ANSWER] * 8


def test_who_waits_for_too_short_a_time_is_told_and_the_request_goes_on() -> None:
    ticket = Ticket()
    with pytest.raises(TimeoutError):
        ticket.result(0.001)
    assert not ticket.done()
    ticket.resolve(ANSWER)
    assert ticket.result(0.001) is ANSWER
