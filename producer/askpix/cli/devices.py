"""`askpix devices`."""

from __future__ import annotations

import click
from rich.table import Table

from askpix.cli.console import stdout, table_row
from askpix.worker.blip.forms import wave_of
from askpix.worker.engine.device_names import DeviceName, device_name
from askpix.worker.engine.devices import Device, list_devices


@click.command()
def command() -> None:
    """List the devices that OpenVINO sees here, and what askpix would do with them."""
    devices = list_devices()
    for number, device in enumerate(devices):
        if number:
            stdout().print()
        stdout().print(_shown(device))
    names = [device.name for device in devices]
    if names:
        chosen = ", ".join(device_name("AUTO", names).members) or "nothing: an NPU is taken only where it is named"
        stdout().print(f"\nAUTO takes the best of: {chosen}", soft_wrap=True)


def _shown(device: Device) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(overflow="fold")
    table_row(table, device.name, device.full_name)
    table_row(table, "computes in", f"{device.default_precision}, unless --precision says otherwise")
    table_row(table, "can do", " ".join(sorted(device.capabilities)))
    if device.memory is not None:
        table_row(table, "memory", f"{device.memory / 1e9:.1f} GB")
    name = DeviceName(text=device.name, members=(device.name,))
    table_row(table, "BLIP", f"{wave_of(name)} images at a time, {_forms(name)}")
    table_row(table, "worker", f"askpix worker --device {device.name}")
    return table


def _forms(name: DeviceName) -> str:
    return "in bounded shapes where it takes them" if "GPU" in name.kinds else "in shapes of any size"
