"""Flower as `askpix flower` starts it, to be asked over HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.processes import ASKPIX, environment

PASSWORD = "correct-horse:battery"


@dataclass(frozen=True)
class Flower:
    """A running one."""

    port: int
    log: list[str] = field(default_factory=list)
    """Lines that it had said on standard error when it ended."""

    def ask(self, path: str, *, method: str = "GET", password: str | None = PASSWORD) -> tuple[int, str]:
        """Returns status and body of an answer."""
        headers = {"Content-Length": "0"}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"askpix:{password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        status, body = answer.status, answer.read().decode()
        connection.close()
        return status, body

    def json(self, path: str) -> Any:
        status, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)


@contextmanager
def flower_on(broker_url: str, folder: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Flower]:
    """Runs Flower in a folder, with PASSWORD, until the block ends; it must then end well, having tried nothing that
    its user may not do."""
    file = folder / "flower_password"
    file.write_text(f"{PASSWORD}\n")
    process = subprocess.Popen(
        [ASKPIX, "flower", "--password-file", file, "--port", "0"],
        cwd=folder,
        env=environment({"ASKPIX_BROKER_URL": broker_url, **(env or {})}),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"Flower is at http://127\.0\.0\.1:(\d+)", line)
        assert found is not None, line
        flower = Flower(int(found[1]))
        yield flower
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    flower.log.extend([line.removesuffix("\n"), *said.splitlines()])
    assert process.returncode == 0
    assert "permission" not in said.lower(), said
    assert "Traceback" not in said, said
