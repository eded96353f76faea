"""`askpix devices`."""

from __future__ import annotations

import click
from rich.table import Table

from askpix.cli.console import stdout
from askpix.worker.engine.devices import list_devices


@click.command()
def command() -> None:
    """List the devices that OpenVINO sees here."""
    table = Table(box=None, pad_edge=False)
    for name in ("device", "what it is", "auto precision", "computes in"):
        table.add_column(name, overflow="fold")
    for device in list_devices():
        table.add_row(device.name, device.full_name, device.default_precision, " ".join(device.capabilities))
    stdout().print(table)
