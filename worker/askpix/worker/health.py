"""Whether a worker lives and is ready, told over HTTP to whatever looks after it.

/livez   200 as long as the worker gets on with its work, or would; 503 when only its end helps.
/readyz  200 when it can take work: the model is loaded, and broker and storage answer; else 503, with the reasons.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from askpix.producer.errors import WorkerError

_AT_ONCE = 16
_PATIENCE_SECONDS = 5.0
"""That one who asks may take."""

OK = "ok"

State = Mapping[str, str]
"""How each thing that a worker needs is: OK, or what is wrong with it."""


class _Bounded(ThreadingHTTPServer):
    """Has no more threads than those who may ask could need."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class Health:
    """A small web server, from `with` to its end.

    Args:
        host: the address to listen on.
        port: 0 for any that is free.

    Raises:
        WorkerError: it cannot listen there.
    """

    def __init__(self, host: str, port: int) -> None:
        self.alive: Callable[[], State] = dict
        """Says what is needed to live; nothing, as long as the worker starts."""
        self.ready: Callable[[], State] = lambda: {"model": "it is being loaded"}
        """Says what is needed to take work."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE_SECONDS

            def handle(self) -> None:
                # A socket's timeout is for a single read; whoever sends a byte a second never meets it.
                over = threading.Timer(_PATIENCE_SECONDS, self._hang_up)
                over.daemon = True
                over.start()
                try:
                    super().handle()
                finally:
                    over.cancel()

            def _hang_up(self) -> None:
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def do_GET(self) -> None:
                owner._answer(self)

            do_HEAD = do_GET  # noqa: N815 - as in the base class

            def version_string(self) -> str:
                return "askpix"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
                """Says nothing: probes come every few seconds."""

        try:
            self._http = _Bounded((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise WorkerError(
                f"--health-port {host}:{port}: the worker cannot listen there: {reason.lower()}"
            ) from None
        self.port: int = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, name="askpix-health", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        states = {"/livez": self.alive, "/readyz": self.ready}
        state = states.get(request.path.partition("?")[0])
        if state is None:
            status, told = HTTPStatus.NOT_FOUND, {"error": "there is /livez, and there is /readyz"}
        else:
            told = dict(state())
            well = all(how == OK for how in told.values())
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            told = {"status": OK if well else "not ok", **told}
        body = json.dumps(told).encode() + b"\n"
        with suppress(OSError):  # whoever asked has gone
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(body)))
            request.send_header("Cache-Control", "no-store")
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(body)
