"""An S3 server for the fleet's job folder, and how often it was asked for what."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Self

import boto3

BUCKET = "fleet"

_START_SECONDS = 60.0
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_ASKED = re.compile(r'"([A-Z]+) (\S+) HTTP/1\.1" \d{3}')


class S3:
    """moto's server in a process of its own, from `with` to its end; this process finds it too."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._log = folder / "s3.log"
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        with self._log.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        ends = time.monotonic() + _START_SECONDS
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self._port)) == 0:
                    break
            if time.monotonic() > ends or self._process.poll() is not None:
                raise SystemExit(f"moto's server is not there: {self._log.read_text()[-2_000:]}")
            time.sleep(0.1)
        os.environ.update(self.environment)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def asked(self) -> Counter[str]:
        """Returns how often it was asked so far, by the folder of the job and kind of request."""
        found = Counter[str]()
        log = _COLORS.sub("", self._log.read_text(errors="replace"))
        for method, target in _ASKED.findall(log):
            path, _, query = target.partition("?")
            kind = "LIST" if "list-type" in query else method
            place = re.search(r"prefix=[^&]*?(\w+)(?:%2F|/)?(?:&|$)", query) if kind == "LIST" else None
            name = place[1] if place else _what(path)
            found[f"{kind} {name}"] += 1
        return found


def _what(path: str) -> str:
    """Returns what of a job an object is: input, results, partial, control, or its file."""
    words = path.strip("/").split("/")
    return words[-2] if words[-1].startswith("part-") else words[-1]
