"""A server that speaks S3's protocol, on 127.0.0.1, and one that breaks it where a test asks for that."""

from __future__ import annotations

import http.client
import itertools
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from helpers.processes import wait_until

from askpix.producer import s3_client


def environment(url: str, *, key: str | None = "testing") -> dict[str, str]:
    """Returns the variables by which a program finds the server, and nothing that this machine is set up for."""
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": key} if key else {}
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        **keys,
    }


@contextmanager
def using(variables: Mapping[str, str]) -> Iterator[None]:
    """Points this process's S3 client to a server for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        s3_client.forget_clients()
        yield
    s3_client.forget_clients()


class S3Server:
    """moto's server, in a process of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = environment(self.url)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._numbers = itertools.count(1)

        def answers() -> bool:
            assert self._process.poll() is None, "moto's server has ended"
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait_until(answers, within=60, what="answers of moto's server")
        except BaseException:
            self.close()
            raise
        self.client: Any = boto3.session.Session(
            aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
        ).client("s3", endpoint_url=self.url)

    def bucket(self) -> str:
        """Makes a new bucket; returns its name."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def put(self, uri: str, data: bytes) -> str:
        """Puts an object at a URI; returns the URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.client.put_object(Bucket=bucket, Key=key, Body=data)
        return uri

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        data: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def keys(self, bucket: str) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", ())]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


Answer = Callable[[BaseHTTPRequestHandler], None]
"""Answers one request, rightly or not."""


class BrokenS3:
    """A server that answers each request as the test says: with `answer`, which may be replaced at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of each request, in order."""

        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(body)
                owner.asked.append((self.command, self.path, dict(self.headers.items())))
                owner.answer(self)

            do_GET = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - as in the base class
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.environment = environment(self.url)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def broken_s3(answer: Answer) -> Iterator[BrokenS3]:
    """A server that breaks the rules, to which this process's S3 client points for a while."""
    server = BrokenS3(answer)
    try:
        with using(server.environment):
            yield server
    finally:
        server.close()


def says(status: int, code: str, message: str = "because") -> Answer:
    """Answers with one of S3's errors."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/xml")
        request.send_header("Content-Length", str(len(body) if request.command != "HEAD" else 0))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return answer


def passes_on(port: int) -> Answer:
    """Answers as a server on another port does."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        server.request(request.command, request.path, body=getattr(request, "body", b""), headers=headers)
        answered = server.getresponse()
        body = answered.read()
        request.send_response(answered.status)
        for name, value in answered.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "server", "date"):
                request.send_header(name, value)
        length = answered.getheader("Content-Length") if request.command == "HEAD" else str(len(body))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        request.wfile.write(body)
        server.close()

    return answer


def sends(body: bytes, *, status: int = 200, promised: int | None = None, **headers: str) -> Answer:
    """Answers with a body, and hangs up after it where more was promised."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if promised is None else promised))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
        request.close_connection = promised is not None

    return answer
