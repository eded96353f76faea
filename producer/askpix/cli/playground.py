"""`askpix playground`."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from askpix.cli.console import stderr
from askpix.cli.ending import end_cleanly_on_signals
from askpix.cli.needing import needing
from askpix.cli.options import cores_options, model_folder
from askpix.producer.client import Client
from askpix.producer.errors import InputError
from askpix.producer.settings import load_settings
from askpix.worker.cores import chosen, take
from askpix.worker.engine.building import build_engine
from askpix.worker.engine.devices import check_device
from askpix.worker.images.quiet import quiet_decoders
from askpix.worker.local import demo_model
from askpix.worker.playground.dropped import bundled_examples, example_files
from askpix.worker.playground.elsewhere import Elsewhere
from askpix.worker.playground.here import Here, model_folders
from askpix.worker.playground.listening import PORT, is_loopback
from askpix.worker.playground.models import Source
from askpix.worker.process_limits import give_memory_back


@click.command()
@click.option(
    "--model",
    "models",
    type=model_folder,
    multiple=True,
    metavar="FOLDER",
    help="A model folder to choose from; by default the demo model. Repeatable.",
)
@click.option(
    "--models",
    "parents",
    type=model_folder,
    multiple=True,
    metavar="FOLDER",
    help="A folder that holds model folders, all to choose from. Repeatable.",
)
@click.option("--device", default="CPU", show_default=True, help="CPU, GPU, GPU.1, NPU, AUTO or AUTO:GPU,CPU.")
@cores_options
@click.option(
    "--broker", metavar="URL", help="Have workers on this broker answer, with the models that they serve, by the queue."
)
@click.option(
    "--examples",
    type=model_folder,
    metavar="FOLDER",
    help="Pictures to pick from, the first twelve; by default six that the demo model knows.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="N",
    help=f"The port to listen on; by default {PORT}, or any that is free.",
)
def command(
    models: tuple[Path, ...],
    parents: tuple[Path, ...],
    device: str,
    cpus: str | None,
    threads: int | None,
    broker: str | None,
    examples: Path | None,
    host: str,
    port: int | None,
) -> None:
    """A web page to try models by hand, in a browser on this machine.

    Drop an image or pick an example; ask, or leave the question empty for a
    caption. Two models can answer side by side. Ctrl-C ends it.
    """
    if broker is not None and (models or parents):
        raise InputError("with --broker, the models are those that workers serve: leave out --model and --models")
    with needing("the playground", extra="playground"):
        from askpix.worker.playground.serving import serve
    end_cleanly_on_signals()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    quiet_decoders()
    give_memory_back()
    pictures = example_files((examples or bundled_examples()).absolute())
    with ExitStack() as stack:
        if broker is not None:
            source: Source = Elsewhere(Client(broker))
        else:
            take(chosen(cpus, threads))
            source = _here(models, parents, check_device(device).text)
        stack.callback(source.close)
        if not is_loopback(host):
            stderr().print(
                f"Anybody who reaches {host} can use this page: it asks for no password.",
                style="yellow",
                soft_wrap=True,
            )
        serve(source, pictures, host=host, port=port, ready=_ready)


def _here(models: tuple[Path, ...], parents: tuple[Path, ...], device: str) -> Here:
    if not models and not parents:
        stderr().print("Using the demo model, which knows only the demo's shop catalogue; --model takes a real one.")
        models = (demo_model(),)
    settings = load_settings()
    build = partial(
        build_engine, device=device, cache=settings.cache_folder(), vlm_cache_megabytes=settings.vlm_cache_megabytes
    )
    return Here(
        model_folders(models, parents), build, seconds=settings.item_seconds, megabytes=settings.decode_megabytes
    )


def _ready(address: str) -> None:
    stderr().print(f"The playground is at {address} (Ctrl-C ends it)", soft_wrap=True)
