"""The time that a transfer may take holds for every socket that it opens."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from helpers.http_server import Server
from helpers.lasting import lasts
from helpers.processes import wait_until

from askpix.worker.access import Access
from askpix.worker.images import fetch_rules
from askpix.worker.images.deadline import Deadline, Watched, deadline, watched
from askpix.worker.images.fetch import Fetcher
from askpix.worker.item_errors import ImageError


def test_a_transfer_in_time_is_none_of_the_deadlines_business() -> None:
    with deadline(30):
        pass
    with pytest.raises(KeyError), deadline(30):
        raise KeyError


def test_a_socket_that_is_opened_too_late_is_not_used() -> None:
    one, other = socket.socketpair()

    def transfer() -> None:
        watched(one)
        assert one.recv(1) == b""  # waits for the end of the time
        with pytest.raises(TimeoutError):
            watched(other)
        raise OSError

    with one, other, pytest.raises(ImageError, match="not there after") as raised, deadline(0.01):
        transfer()
    assert raised.value.code == "timeout"


def test_outside_of_a_deadline_nothing_is_watched() -> None:
    with socket.socket() as opened:
        watched(opened)
        watched(None)
        Watched().add(opened, copied=True)


def test_a_connection_that_another_transfer_has_by_now_is_not_shut_down() -> None:
    # Given: a transfer that has done with a connection, and waits for something else
    one, other = socket.socketpair()
    held, taken = Watched(), threading.Event()

    def next_transfer() -> None:
        with deadline(30):
            held.take()
            held.add(one)
            taken.set()
            assert one.recv(5) == b"still"

    thread = threading.Thread(target=next_transfer)

    def slow_transfer() -> None:
        with deadline(0.3) as limit:
            held.add(one, copied=True)
            held.add(one)
            thread.start()
            assert taken.wait(10)
            wait_until(lambda: limit.over, within=10, what="the end of its time")

    # Then: the next one has it to itself.
    with one, other:
        with pytest.raises(ImageError):
            slow_transfer()
        other.sendall(b"still")
        thread.join(10)
        assert not thread.is_alive()


def test_a_name_that_takes_too_long_to_look_up_is_not_connected_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a look-up that is over only after the time is
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 0.05)
    over = threading.Event()
    look = Deadline.look
    monkeypatch.setattr(Deadline, "look", lambda limit, now: (look(limit, now), limit.over and over.set()))
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: over.wait(10) and look_up(*given, **named))
    url = server.put("/guarded/late", b"late")

    # Then
    with pytest.raises(ImageError) as raised:
        Fetcher(Access.of(networks=["127.0.0.1"])).fetch(url)
    assert raised.value.code == "timeout"
    assert "/guarded/late" not in server.asked


def test_a_handshake_that_never_ends_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a server that sends the head of a TLS record, and then the record byte by byte
    monkeypatch.setattr(fetch_rules, "TOTAL_SECONDS", 0.5)
    let_go = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(10_000)
            try:
                connection.sendall(b"\x16\x03\x03\x40\x00")
                for _ in range(500):
                    connection.sendall(b"\x02")
                    lasts(0.02)
            except OSError:
                let_go.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    # Then
    with listening:
        started = time.monotonic()
        with pytest.raises(ImageError) as raised:
            Fetcher(Access.of(networks=["127.0.0.1"])).fetch(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        assert raised.value.code == "timeout"
        assert time.monotonic() - started < 5
        assert let_go.wait(10)
        thread.join()
