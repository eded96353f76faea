"""Where the playground listens: here alone, at a port that is free, and to others only where that is asked for."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from helpers.playground import Server

pytestmark = pytest.mark.timeout(300)


def test_it_listens_here_alone_and_on_another_port_where_its_own_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 7860))
        except OSError:
            pass  # somebody else has it, which will do
        else:
            taken.listen()
        server = Server(tmp_path)
    try:
        assert urlsplit(server.url).hostname == "127.0.0.1"
        assert urlsplit(server.url).port != 7860
        port = urlsplit(server.url).port or 0
        own = socket.gethostbyname(socket.gethostname())
        if not own.startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((own, port), 2).close()
    finally:
        assert server.close(signal.SIGINT) == -signal.SIGINT


def test_a_port_that_is_asked_for_and_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(tmp_path, "--port", str(taken.getsockname()[1]))
        assert server.process.wait(30) == 2
    assert server.log.splitlines()[-1].startswith("askpix: the playground cannot listen on 127.0.0.1:")


def test_who_opens_it_to_others_is_told_so(tmp_path: Path) -> None:
    server = Server(tmp_path, "--host", "0.0.0.0", "--port", "0")
    server.close()
    assert "Anybody who reaches 0.0.0.0 can use this page: it asks for no password." in server.log
