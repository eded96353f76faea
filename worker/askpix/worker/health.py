"""Whether a worker lives and is ready, and what it does, told over HTTP to whatever looks after it.

/livez   200 as long as the worker gets on with its work, or would; 503 when only its end helps.
/readyz  200 when it can take work: the model is loaded, and broker and storage answer; else 503, with the reasons.
/metrics what it has done and is at, as Prometheus reads it.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from askpix.producer.errors import WorkerError

_log = logging.getLogger(__name__)

_AT_ONCE = 16
_PATIENCE_SECONDS = 5.0
"""That one who asks may take."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

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

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as in the base class
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _log.debug("whoever asked how the worker is has gone: %s", error)
        else:
            _log.exception("how the worker is could not be told")


class _BoundedLocal(_Bounded):
    """The same on a socket in a folder, whose rights say who may ask."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        # Of a process before this one, which could not remove it.
        Path(str(self.server_address)).unlink(missing_ok=True)
        # The base class looks for the name of a host.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


@dataclass(frozen=True, slots=True)
class _Page:
    status: HTTPStatus
    kind: str
    body: bytes


class Health:
    """A small web server, from `with` to its end.

    Args:
        host: the address to listen on; a path for a socket there.
        port: 0 for any that is free.

    Raises:
        WorkerError: it cannot listen there.
    """

    def __init__(self, host: str | Path, port: int = 0) -> None:
        self.alive: Callable[[], State] = dict
        """Says what is needed to live; nothing, as long as the worker starts."""
        self.ready: Callable[[], State] = lambda: {"model": "it is being loaded"}
        """Says what is needed to take work."""
        self.enough: Callable[[Iterable[bool]], bool] = all
        """Says whether the worker is ready, from whether each of these is well."""
        self.metrics: Callable[[], bytes] = bytes
        """Says what Prometheus is told."""
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
            self._http = (
                _BoundedLocal(str(host), Handler) if isinstance(host, Path) else _Bounded((host, port), Handler)
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(host, Path):
                raise WorkerError(
                    f"{host}: the worker cannot listen there: {reason.lower()}; TMPDIR says in which folder it is"
                ) from None
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
        page = self._page(request.path.partition("?")[0])
        with suppress(OSError):  # whoever asked has gone
            request.send_response(page.status)
            request.send_header("Content-Type", page.kind)
            request.send_header("Content-Length", str(len(page.body)))
            request.send_header("Cache-Control", "no-store")
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(page.body)

    def _page(self, path: str) -> _Page:
        match path:
            case "/metrics":
                return _Page(HTTPStatus.OK, METRICS_TYPE, self.metrics())
            case "/livez":
                return _told(self.alive(), all)
            case "/readyz":
                return _told(self.ready(), self.enough)
        return _json(HTTPStatus.NOT_FOUND, {"error": "there are /livez, /readyz and /metrics"})


def _told(state: State, enough: Callable[[Iterable[bool]], bool]) -> _Page:
    well = enough(how == OK for how in state.values())
    status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(status, {"status": OK if well else "not ok", **state})


def _json(status: HTTPStatus, value: State) -> _Page:
    return _Page(status, "application/json", json.dumps(value).encode() + b"\n")
