"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PRECISIONS = ("auto", "f32", "bf16", "f16")


def _stacked(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


engine_options = _stacked(
    click.option("--device", default="CPU", show_default=True, help="CPU, GPU, GPU.1, NPU, AUTO or AUTO:GPU,CPU."),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="auto",
        show_default=True,
        help="In which numbers to compute; auto is what the device does best.",
    ),
)

access_options = _stacked(
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
        metavar="CIDR",
        help="A network from which images may be fetched although it is not public, such as 10.0.0.0/8. Repeatable.",
    ),
)

model_folder = click.Path(path_type=Path)
