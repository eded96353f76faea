"""Options that several commands take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from askpix.producer.queues import device_kind

PRECISIONS = ("auto", "f32", "bf16", "f16")


def stacked(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a decorator that gives a command several options, shown in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def gathered(name: str, kind: type[Any], options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a decorator that gives a command several options, and the function behind it one dataclass of all."""

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return function(**{name: kind(**own)}, **values)

        return options(command)

    return decorate


engine_options = stacked(
    click.option(
        "--device",
        default="CPU",
        show_default=True,
        help="CPU, GPU, GPU.1, NPU, AUTO, or of several AUTO:GPU,CPU, HETERO:GPU,CPU or MULTI:GPU,CPU.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="auto",
        show_default=True,
        help="In which numbers to compute; auto is what the device does best.",
    ),
)

cores_options = stacked(
    click.option("--cpus", metavar="LIST", help="Run on these CPUs alone, such as 0-3,8; by default on all."),
    click.option("--threads", type=int, metavar="N", help="Compute with N threads; by default one for each CPU."),
)

access_options = stacked(
    click.option(
        "--files-root",
        "files_roots",
        multiple=True,
        metavar="FOLDER",
        help="A folder under which images may be read. Repeatable.",
    ),
    click.option(
        "--allow-net",
        "networks",
        multiple=True,
        metavar="CIDR|HOST[:PORT]",
        help="From where images may be fetched beside public web servers, such as 10.0.0.0/8 or img.internal:8080. "
        "Repeatable.",
    ),
    click.option(
        "--allow-bucket",
        "buckets",
        multiple=True,
        metavar="BUCKET[/PREFIX]",
        help="An S3 bucket from which images may be read, beside the job's own. Repeatable.",
    ),
)

json_lines_option = click.option(
    "--json", "as_json", is_flag=True, help="Progress as JSON on standard output, one object a line."
)

broker_option = click.option("--broker", metavar="URL", help="The broker; by default ASKPIX_BROKER_URL.")

cache_option = click.option(
    "--no-cache",
    "cache",
    flag_value=False,
    default=True,
    help="Ask the model everything: no answer is looked up, kept, or shared by images that are the same.",
)

kind_option = click.option(
    "--device",
    metavar="KIND",
    callback=lambda _, __, value: None if value is None else device_kind(value),
    help="Only workers on this kind of device: cpu, gpu, npu, auto, hetero, multi; by default any.",
)

model_folder = click.Path(path_type=Path)
