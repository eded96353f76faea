"""S3 that goes away while a worker writes to it: the job waits, and goes on by itself when S3 is back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.pictures import jpeg
from helpers.processes import wait_until
from helpers.s3_server import S3Server, environment, using
from helpers.system import MODEL, HeldServer, Starter, finished

from askpix.producer.client import Client


class Door:
    """A port that leads to a server while it is open."""

    def __init__(self, url: str) -> None:
        self._target = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.environment = environment(f"http://127.0.0.1:{self._listener.getsockname()[1]}")
        self._open = True
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def shut(self) -> None:
        """Hangs up, and from now on on everyone who comes."""
        self._open = False
        while self._sockets:
            _hang_up(self._sockets.pop())

    def open(self) -> None:
        self._open = True

    def close(self) -> None:
        self.shut()
        _hang_up(self._listener)
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                if not self._open:
                    _hang_up(one)
                    continue
                other = socket.create_connection(self._target)
                self._sockets += [one, other]
                for way in ((one, other), (other, one)):
                    threading.Thread(target=_pass_on, args=way, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _hang_up(target)
    _hang_up(source)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@pytest.fixture
def door(s3: S3Server) -> Iterator[Door]:
    door = Door(s3.url)
    yield door
    door.close()


def test_a_job_waits_for_its_storage_and_goes_on_by_itself(
    client: Client, pages: HeldServer, s3: S3Server, door: Door, start_worker: Starter, folder: Path
) -> None:
    # Given: a job in work, whose results a worker writes through the door.
    bucket = s3.bucket()
    worker = start_worker("--storage-root", f"s3://{bucket}/jobs", env=door.environment)
    names = [f"/{folder.name}-{number}" for number in range(6)]
    urls = pages.put_many(names, jpeg())
    pages.hold(*names)
    with using(s3.environment):
        job = client.submit(urls, output=f"s3://{bucket}/jobs/one", model=MODEL, part_size=1)
        wait_until(lambda: set(names[:2]) <= set(pages.came), within=20, what="two parts in work")

        # When: its answers are there, and S3 is not.
        door.shut()
        pages.let_go()
        worker.wait_for_log("cannot be written", "trying again")
        door.open()

        # Then
        assert [row.image for row in finished(job).results()] == urls
        assert job.progress().error is None
    # And: what was answered was not asked for again.
    assert sorted(pages.came) == sorted(names)
    assert "Traceback" not in worker.log
    wait_until(lambda: client.jobs() == [], within=20, what="the end of the job")
    worker.close()
