"""`askpix worker`."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import click
import redis

from askpix.cli.options import access_options, broker_option, engine_options, model_folder
from askpix.producer.broker import redis_client
from askpix.producer.broker_url import checked_url
from askpix.producer.messages import notify_target
from askpix.producer.settings import load_settings
from askpix.worker.access import Access
from askpix.worker.app import Worker
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.engine.devices import Precision
from askpix.worker.engines import Engines
from askpix.worker.images.decode import ignore_pillow_warnings
from askpix.worker.local import demo_model

_log = logging.getLogger("askpix")
_LAST_RESORT_SECONDS = 8.0


@click.command()
@click.option(
    "--model",
    "models",
    type=model_folder,
    multiple=True,
    metavar="FOLDER",
    help="A model folder to serve; by default the demo model. Repeatable.",
)
@engine_options
@click.option(
    "--storage-root",
    "storage_roots",
    multiple=True,
    required=True,
    metavar="URI",
    help="A folder or s3://bucket/prefix under which job folders may be read and written. Repeatable.",
)
@access_options
@click.option(
    "--allow-notify",
    "notify",
    multiple=True,
    metavar="TASK[@QUEUE]",
    help="A Celery task that jobs may have sent when they end. Repeatable.",
)
@broker_option
@click.option("--with-parent", "parent_folder", type=click.Path(path_type=Path), hidden=True)
def command(
    models: tuple[Path, ...],
    device: str,
    precision: str,
    storage_roots: tuple[str, ...],
    files_roots: tuple[str, ...],
    networks: tuple[str, ...],
    buckets: tuple[str, ...],
    notify: tuple[str, ...],
    broker: str | None,
    parent_folder: Path | None,
) -> int:
    """Serve models on one device.

    Takes parts of jobs and single asks from the queues of its models until it is told to stop. What it
    may read and write is what these options allow, whatever a message says.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    # Celery sets the root logger's level to its own taste.
    _log.setLevel(logging.INFO)
    ignore_pillow_warnings()
    settings = load_settings(broker)
    checked_url(settings.broker_url)
    access = Access.of(
        storage_roots=storage_roots,
        files_roots=files_roots,
        networks=networks or settings.allow_net,
        buckets=buckets,
    )
    for target in notify:
        notify_target(target)
    if parent_folder is not None:
        _stop_with_parent(redis_client(settings.broker_url), parent_folder)
    if not models:
        _log.info("serving the demo model, which knows only the demo's shop catalogue; --model takes a real one")
    cache = Path(settings.model_cache) if settings.model_cache else None
    with Worker(
        _engines(models or (demo_model(),), device, Precision(precision), cache), access, settings, notify
    ) as worker:
        return worker.run()


def _engines(models: tuple[Path, ...], device: str, precision: Precision, cache: Path | None) -> Engines:
    """Returns an engine for each model folder; those that were built are closed when one cannot be."""
    with ExitStack() as stack:
        built = []
        for model in models:
            engine = BlipEngine(model, device, precision, cache)
            stack.callback(engine.close)
            info = engine.info
            _log.info("serving %s on %s in %s", info.model, info.device, info.precision)
            built.append(engine)
        engines = Engines(built)
        stack.pop_all()
    return engines


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
