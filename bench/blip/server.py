"""A web server in a process of its own, which has a picture for every path /NUMBER.jpg."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from bench.blip.pictures import jpeg, jpegs


@contextmanager
def picture_server() -> Iterator[str]:
    """Yields the URL of the server, without a slash at its end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="pictures", daemon=True)
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        process.terminate()
        process.join()


def _serve(connection: Connection) -> None:
    jpegs()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        connection.send(server.server_port)
        server.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The head and the body are sent apart: without this, the second waits for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        found = re.fullmatch(r"/(\d+)\.jpg", self.path)
        body = jpeg(int(found[1])) if found else b"no such picture"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - as in the base class
        return
