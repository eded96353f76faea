"""`askpix worker`."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import click
import redis

from askpix.cli.options import access_options, engine_options, model_folder
from askpix.producer.broker import redis_client
from askpix.producer.settings import load_settings
from askpix.worker.access import Access
from askpix.worker.app import queues_of, run_worker, worker_app
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.devices import Precision
from askpix.worker.images.decode import ignore_pillow_warnings
from askpix.worker.part import PartRunner

_log = logging.getLogger("askpix")
_LAST_RESORT_SECONDS = 8.0


@click.command()
@click.option("--model", "model", type=model_folder, required=True, metavar="FOLDER", help="The model folder to serve.")
@engine_options
@click.option(
    "--storage-root",
    "storage_roots",
    multiple=True,
    required=True,
    metavar="FOLDER",
    help="A folder under which job folders may be read and written. Repeatable.",
)
@access_options
@click.option("--broker", metavar="URL", help="The broker; by default ASKPIX_BROKER_URL.")
@click.option("--with-parent", "parent_folder", type=click.Path(path_type=Path), hidden=True)
def command(
    model: Path,
    device: str,
    precision: str,
    storage_roots: tuple[str, ...],
    files_roots: tuple[str, ...],
    networks: tuple[str, ...],
    broker: str | None,
    parent_folder: Path | None,
) -> int:
    """Serve a model on one device.

    Takes parts of jobs from the queues MODEL and MODEL.DEVICE until it is told to stop. What it may read
    and write is what these options allow, whatever a message says.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    ignore_pillow_warnings()
    settings = load_settings(broker)
    access = Access.of(storage_roots=storage_roots, files_roots=files_roots, networks=networks or settings.allow_net)
    cache = Path(settings.model_cache) if settings.model_cache else None
    counters = redis_client(settings.broker_url)
    if parent_folder is not None:
        _stop_with_parent(counters, parent_folder)
    engine = BlipEngine(model, device, Precision(precision), cache)
    try:
        with PartRunner(engine, access, counters, threads=settings.load_threads, contact=settings.contact) as runner:
            info = engine.info
            app = worker_app(settings.broker_url, info, runner)
            _log.info(
                "serving %s on %s in %s, queues %s", info.model, info.device, info.precision, ", ".join(queues_of(info))
            )
            return run_worker(app, runner)
    finally:
        engine.close()


def _stop_with_parent(counters: redis.Redis, folder: Path) -> None:
    """Ends this process, the embedded broker and their folder when the process that started them is gone.

    It holds the other end of our standard input, which its end closes, however it ends.
    """

    def watch() -> None:
        # Not sys.stdin: its lock, held for ever by this thread, would be a fatal error at exit.
        while os.read(0, 1):
            pass
        with suppress(redis.RedisError, OSError):
            counters.shutdown(nosave=True)
        shutil.rmtree(folder, ignore_errors=True)
        last_resort = threading.Timer(_LAST_RESORT_SECONDS, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="askpix-parent", daemon=True).start()
