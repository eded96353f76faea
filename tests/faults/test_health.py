"""What a worker says of itself is true."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.pictures import jpeg
from helpers.ports import free_port
from helpers.processes import askpix, wait_until
from helpers.system import MODEL, HeldServer, RedisServer, Starter

from askpix.producer.client import Client
from askpix.worker.health import Health

Look = Callable[[str], tuple[int, dict[str, Any]]]


def _looking(port: int) -> Look:
    def look(path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return look


@pytest.mark.timeout(200)
def test_a_worker_is_ready_as_long_as_all_that_it_needs_is_there(
    client: Client, pages: HeldServer, broker: RedisServer, start_worker: Starter, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    look = _looking(port)
    storage = tmp_path / "storage"
    worker = start_worker("--storage-root", storage, "--health-port", str(port))
    wait_until(lambda: look("/readyz")[0] == 200, within=20, what="a ready worker")
    well = dict.fromkeys(("status", "worker", "queues", "broker", "storage"), "ok")
    assert look("/readyz") == (200, well)
    assert look("/livez") == (200, {"status": "ok", "worker": "ok"})
    assert look("/")[0] == 404

    # A broker that does not answer.
    broker.freeze()
    wait_until(lambda: look("/readyz")[0] == 503, within=40, what="a worker that is not ready")
    assert "has not answered for" in look("/readyz")[1]["broker"]
    assert look("/livez")[0] == 200
    broker.thaw()
    wait_until(lambda: look("/readyz")[0] == 200, within=40, what="a worker that is ready again")

    # A storage that is not one.
    storage.write_text("")
    wait_until(lambda: look("/readyz")[0] == 503, within=40, what="a worker that is not ready")
    assert look("/readyz")[1]["storage"] == f"{storage} is no folder"
    storage.unlink()
    wait_until(lambda: look("/readyz")[0] == 200, within=40, what="a worker that is ready again")

    # A worker that is told to end, and is still at work.
    url = pages.put(f"/{folder.name}", jpeg())
    pages.hold(f"/{folder.name}")
    client.ask(url, model=MODEL)
    wait_until(lambda: f"/{folder.name}" in pages.came, within=20, what="an ask in work")
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: look("/readyz")[0] == 503, within=5, what="a worker that is not ready")
    assert look("/readyz")[1]["queues"] == "the worker is ending"
    pages.let_go()
    assert worker.process.wait(20) == 0
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", port)) != 0


def test_what_is_wrong_is_told() -> None:
    with Health("127.0.0.1", 0) as health:
        look = _looking(health.port)
        assert look("/livez")[0] == 200
        assert look("/readyz") == (503, {"status": "not ok", "model": "it is being loaded"})
        health.alive = lambda: {"worker": "CPU has not answered for 120 seconds"}
        assert look("/livez")[0] == 503


@pytest.mark.parametrize("port", ["x", "65536", "-1", "1.2.3.4:", "203.0.113.1:8080"])
def test_a_port_that_is_none_is_one_line(port: str, tmp_path: Path) -> None:
    ran = askpix("worker", "--storage-root", tmp_path, "--health-port", port, cwd=tmp_path)
    last = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert last.startswith("askpix: ")
    assert "--health-port" in last
