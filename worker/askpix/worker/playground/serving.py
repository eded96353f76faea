"""The playground's server: one process, one port, one folder for what was dropped, which goes when it ends."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn  # type: ignore[import-not-found]
from fastapi import FastAPI  # type: ignore[import-not-found]

from askpix.worker.images.fetch_rules import MAX_BYTES
from askpix.worker.playground.dropped import Uploads
from askpix.worker.playground.guard import Guard
from askpix.worker.playground.listening import address, listening
from askpix.worker.playground.models import Source
from askpix.worker.playground.playground import Playground

if importlib.util.find_spec("gradio") is None:
    raise ModuleNotFoundError("there is no gradio", name="gradio")

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
    with listening(host, port) as listener, _folder() as folder:
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
        guard = Guard(app, [host], uploads.room, uploads.is_ours)
        config = uvicorn.Config(
            guard, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_END_SECONDS
        )
        ready(address(listener))
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            playground.close()


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
