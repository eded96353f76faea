"""`askpix worker`."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import redis
from celery import signals

from askpix.cli.opening import Opening, opens
from askpix.cli.options import broker_option, cores_options, engine_options, model_folder
from askpix.producer.broker import redis_client
from askpix.producer.broker_url import place_of
from askpix.producer.errors import AskpixError, WorkerError
from askpix.producer.messages import notify_target
from askpix.producer.settings import Settings, load_settings, wants_json
from askpix.worker.app import Worker
from askpix.worker.cores import Cores, chosen, shared_out, shown, take
from askpix.worker.ending import GRACE_SECONDS
from askpix.worker.engine.building import build_engine
from askpix.worker.engine.devices import Precision
from askpix.worker.engines import Engines
from askpix.worker.health import Health
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.local import demo_model
from askpix.worker.logs.secrets import secrets_of
from askpix.worker.logs.setup import LogForm, current_form, log_to_stderr
from askpix.worker.metrics.exposition import starting_text
from askpix.worker.metrics.replicas import ReplicaHealth
from askpix.worker.parent import end_with_parent
from askpix.worker.process_limits import allow_many_files, give_memory_back
from askpix.worker.replicas import READY_OPTION, WRONG_USAGE, Replicas
from askpix.worker.starting import seconds_since_start, stage

_log = logging.getLogger("askpix")
_ARGUMENTS = "askpix.arguments"
_LAST_PORT = 65_535


class _WithArguments(click.Command):
    """Keeps the arguments as they came, for replicas to be given the same."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Has what ends the command said as its log lines are, where a program reads them."""
        try:
            return super().invoke(ctx)
        except AskpixError as error:
            if (form := current_form()) is None or not form.json:
                raise
            _log.critical("%s", error)
            return WRONG_USAGE


@click.command(cls=_WithArguments)
@click.option(
    "--model",
    "models",
    type=model_folder,
    multiple=True,
    metavar="FOLDER",
    help="A model folder to serve; by default the demo model. Repeatable.",
)
@engine_options
@cores_options
@click.option(
    "--storage-root",
    "storage_roots",
    multiple=True,
    required=True,
    metavar="URI",
    help="A folder or s3://bucket/prefix under which job folders may be read and written. Repeatable.",
)
@opens
@click.option(
    "--allow-notify",
    "notify",
    multiple=True,
    metavar="TASK[@QUEUE]",
    help="A Celery task that jobs may have sent when they end. Repeatable.",
)
@broker_option
@click.option(
    "--replicas",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes, among which the CPUs are shared out; --threads is of each.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0, min_open=True),
    default=GRACE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="From the signal to end until the worker has ended, whatever it has in work.",
)
@click.option(
    "--health-port",
    "health",
    metavar="[HOST:]PORT",
    callback=lambda _, __, value: None if value is None else _listening(value),
    help="Tell over HTTP how the worker is, at /livez, /readyz and /metrics; on 127.0.0.1 unless a host is given.",
)
@click.option("--events", is_flag=True, help="Send Celery events, as Flower shows them: a few more commands a part.")
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="info",
    show_default=True,
    help="What is said on standard error; debug tells what starting takes.",
)
@click.option("--log-json", is_flag=True, default=None, help="Log one JSON object a line; by default ASKPIX_LOG_JSON.")
@click.option("--health-socket", "health_socket", type=click.Path(path_type=Path), hidden=True)
@click.option(READY_OPTION, "ready_file", type=int, hidden=True)
@click.option("--replica-number", type=int, hidden=True)
@click.option("--with-parent", "parent_folder", type=click.Path(path_type=Path), hidden=True)
@click.pass_context
def command(
    ctx: click.Context,
    models: tuple[Path, ...],
    device: str,
    precision: str,
    cpus: str | None,
    threads: int | None,
    storage_roots: tuple[str, ...],
    opening: Opening,
    notify: tuple[str, ...],
    broker: str | None,
    replicas: int,
    grace: float,
    health: tuple[str, int] | None,
    health_socket: Path | None,
    events: bool,
    log_level: str,
    log_json: bool | None,
    ready_file: int | None,
    replica_number: int | None,
    parent_folder: Path | None,
) -> int:
    """Serve models on one device.

    Takes parts of jobs and single asks from the queues of its models until it is told to stop. What it
    may read and write is what these options allow, whatever a message says.
    """
    json_lines = wants_json() if log_json is None else log_json
    form = LogForm(level=log_level, json=json_lines, replica=0 if replicas > 1 else replica_number)
    log_to_stderr(form)
    settings = load_settings(broker)
    log_to_stderr(replace(form, secrets=secrets_of(settings)))
    _log.debug("start: loading modules took %.2f s", seconds_since_start())
    quiet_decoders()
    allow_many_files()
    give_memory_back()
    place_of(settings.broker_url)
    access = opening.access(settings, storage_roots=storage_roots)
    for target in notify:
        notify_target(target)
    cores = chosen(cpus, threads)
    if replicas > 1:
        return _run_replicas(shared_out(cores, replicas, threads), ctx.meta[_ARGUMENTS], health)
    if parent_folder is not None:
        end_with_parent(partial(_end_system, redis_client(settings.broker_url), parent_folder))
    elif ready_file is not None:
        end_with_parent()
    take(cores)
    _log.debug("start: computing with %d threads on CPUs %s", cores.threads, shown(cores.cpus))
    if not models:
        _log.info("serving the demo model, which knows only the demo's shop catalogue; --model takes a real one")
    with ExitStack() as stack:
        # Of a replica, whose parent has the port.
        listening = (health_socket, 0) if health_socket is not None else health
        told = None if listening is None else stack.enter_context(Health(*listening))
        if told is not None:
            told.metrics = starting_text
        engines = _engines(models or (demo_model(),), device, Precision(precision), settings)
        worker = stack.enter_context(Worker(engines, access, settings, notify=notify, grace=grace, events=events))
        if told is not None:
            told.alive, told.ready, told.metrics = worker.alive, worker.ready, worker.metrics
        _tell_when_ready(ready_file)
        return worker.run()


def _listening(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) <= _LAST_PORT:
        raise WorkerError(f"--health-port {value[:60]!r} is no port: it is written like 8080, or 0.0.0.0:8080")
    return host.strip("[]") or "127.0.0.1", int(port)


def _engines(models: tuple[Path, ...], device: str, precision: Precision, settings: Settings) -> Engines:
    """Returns an engine for each model folder; those that were built are closed when one cannot be."""
    with ExitStack() as stack:
        built = []
        for model in models:
            with stage(f"the engine of {model.name}"):
                most = settings.vlm_cache_megabytes
                engine = build_engine(model, device, precision, settings.cache_folder(), vlm_cache_megabytes=most)
            stack.callback(engine.close)
            info = engine.info
            _log.info("serving %s on %s in %s", info.model, info.device, info.precision)
            built.append(engine)
        engines = Engines(built)
        stack.pop_all()
    return engines


def _run_replicas(shares: Sequence[Cores], arguments: Sequence[str], health: tuple[str, int] | None) -> int:
    """Runs workers with these options, each on cores of its own. Of an option given twice, the last one counts.

    The port is the parent's, who asks each by a socket in a folder that nobody else may enter.
    """
    # -P: modules of the user's current folder must not stand in for installed ones.
    command = [sys.executable, "-P", "-m", "askpix.cli.entry", "worker", *arguments, "--replicas", "1"]
    commands = [
        [*command, "--cpus", shown(own.cpus), "--threads", str(own.threads), "--replica-number", str(number)]
        for number, own in enumerate(shares, start=1)
    ]
    if health is None:
        return Replicas(commands).run()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="askpix-", ignore_cleanup_errors=True)))
        sockets = [folder / str(number) for number in range(len(commands))]
        for one, path in zip(commands, sockets, strict=True):
            one += ["--health-socket", str(path)]
        replicas = Replicas(commands)
        telling = ReplicaHealth(sockets, replicas.restarted, replicas.ended)
        told = stack.enter_context(Health(*health))
        told.alive, told.ready, told.enough, told.metrics = telling.alive, telling.ready, any, telling.metrics
        return replicas.run()


def _tell_when_ready(file: int | None) -> None:
    """Has the first moment in which the worker consumes said in its log, and in the file that a parent reads."""
    running = time.monotonic()

    def ready(**_: object) -> None:
        _log.debug("start: connecting to the broker took %.2f s", time.monotonic() - running)
        _log.info("ready %.1f s after the start", seconds_since_start())
        if file is not None:
            with suppress(OSError):  # a parent that is gone
                os.write(file, b"\n")

    signals.worker_ready.connect(ready, weak=False)


def _end_system(counters: redis.Redis, folder: Path) -> None:
    """Ends the embedded broker and removes its folder, for a parent that cannot do so any more."""
    with suppress(redis.RedisError, OSError):
        counters.shutdown(nosave=True)
    shutil.rmtree(folder, ignore_errors=True)
