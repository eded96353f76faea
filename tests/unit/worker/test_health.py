"""What goes wrong while a worker is asked how it is goes to its log, once, and nowhere else."""

from __future__ import annotations

import http.client
import logging
import socket
import struct

import pytest
from helpers.processes import wait_until

from askpix.worker.health import Health

LOGGER = "askpix.worker.health"


def test_metrics_that_cannot_be_told_are_one_record(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given
    def closing() -> bytes:
        raise RuntimeError("the engine closes")

    with Health("127.0.0.1") as health, caplog.at_level(logging.DEBUG, LOGGER):
        health.metrics = closing
        asking = http.client.HTTPConnection("127.0.0.1", health.port, timeout=20)

        # When
        asking.request("GET", "/metrics")
        with pytest.raises(http.client.RemoteDisconnected):
            asking.getresponse()
        asking.close()
        wait_until(lambda: bool(caplog.records), within=20, what="a record")

    # Then
    (record,) = caplog.records
    assert (record.name, record.levelname) == (LOGGER, "ERROR")
    assert "the engine closes" in caplog.text
    assert capfd.readouterr().err == ""


def test_one_who_asks_and_breaks_off_is_for_debugging(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Health("127.0.0.1") as health, caplog.at_level(logging.DEBUG, LOGGER):
        # Given: half a request
        asking = socket.create_connection(("127.0.0.1", health.port), timeout=20)
        asking.sendall(b"GET /livez HT")

        # When: reset, rather than ended
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        asking.close()
        wait_until(lambda: bool(caplog.records), within=20, what="a record")

    # Then
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("DEBUG", None)
    assert "reset" in record.getMessage()
    assert capfd.readouterr().err == ""
