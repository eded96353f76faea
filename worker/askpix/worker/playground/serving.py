"""The playground's server: one process, one port, one folder for what was dropped, which goes when it ends."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn  # type: ignore[import-not-found]
from fastapi import FastAPI  # type: ignore[import-not-found]

from askpix.producer.errors import AskpixError
from askpix.worker.images.manners import MAX_BYTES
from askpix.worker.playground.dropped import Uploads
from askpix.worker.playground.guard import Guard
from askpix.worker.playground.models import Source
from askpix.worker.playground.playground import Playground

if importlib.util.find_spec("gradio") is None:
    raise ModuleNotFoundError("there is no gradio", name="gradio")

PORT = 7860
"""Unless another one is asked for, or this one is taken."""

_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
_END_SECONDS = 2


def serve(
    source: Source,
    examples: Sequence[Path],
    *,
    host: str,
    port: int | None,
    ready: Callable[[str], None],
) -> None:
    """Serves the page until the process is told to end.

    Args:
        examples: pictures to pick from.
        host: the address to listen on.
        port: None for the usual one, or any free one where that is taken.
        ready: is called with the page's address once it can be asked for.

    Raises:
        AskpixError: it cannot listen there.
    """
    with _listening(host, port) as listener, _folder() as folder:
        # It reads these when it is imported.
        os.environ.update(_ENVIRONMENT, GRADIO_TEMP_DIR=str(folder))
        import gradio

        from askpix.worker.playground.page import CSS, THEME, page

        uploads = Uploads(folder)
        playground = Playground(source, [folder, *{path.parent for path in examples}])
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        blocks = page(playground, examples)
        gradio.mount_gradio_app(
            app,
            blocks,
            path="/",
            server_name=host,
            server_port=listener.getsockname()[1],
            footer_links=[],
            run_history=False,
            root_path="",
            allowed_paths=[str(path) for path in examples],
            show_error=False,
            max_file_size=MAX_BYTES,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=THEME,
            css=CSS,
        )
        # Mounted, it would not look at where the files are that a page names.
        blocks.has_launched = True
        uploads.keep()
        guard = Guard(app, [host], uploads.has_room, uploads.is_ours)
        config = uvicorn.Config(
            guard, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_END_SECONDS
        )
        ready(_address(listener))
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            playground.close()


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _listening(host: str, port: int | None) -> Iterator[socket.socket]:
    ports = (PORT, 0) if port is None else (port,)
    for number in ports:
        try:
            listener = _bound(host, number)
        except OSError as error:
            if number == ports[-1]:
                why = (error.strerror or str(error)).lower()
                raise AskpixError(f"the playground cannot listen on {host}:{number}: {why}") from None
        else:
            with listener:
                yield listener
            return


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _folder() -> Iterator[Path]:
    """Yields a folder of this user's alone, in which all temporary files are from now on."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="askpix-playground-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before
