"""`askpix jobs`: what is active, and who works."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.table import Table

from askpix.cli.console import printable, stderr, stdout, table_row
from askpix.cli.options import broker_option
from askpix.producer.client import Client


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@broker_option
def command(as_json: bool, broker: str | None) -> int:
    """List active jobs and live workers."""
    with Client(broker) as client:
        jobs, workers, refused = client.jobs(), client.workers(), client.refused()
    if as_json:
        told = {
            "jobs": [{"job": uri, **({} if reading is None else asdict(reading))} for uri, reading in jobs],
            "workers": [worker.model_dump(mode="json") for worker in workers],
            "refused": refused,
        }
        stdout().print(json.dumps(told), soft_wrap=True)
        return 0
    if jobs:
        table = _table("job", "state", "done", "items", "failed", "parts left")
        for uri, reading in jobs:
            if reading is None:
                table_row(table, uri, "lost by the broker", "", "", "", "")
                continue
            state = "stopped" if reading.error else reading.state.value
            left = reading.parts - reading.parts_done
            table_row(table, uri, state, *map(str, (reading.done, reading.items, reading.failed, left)))
        stdout().print(table)
    else:
        stderr().print("No job is active.")
    if workers:
        table = _table("worker", "model", "device", "precision", "parts", "asks")
        for worker in workers:
            for model in worker.models:
                busy = (str(worker.parts), str(worker.asks))
                table_row(table, worker.name, model.name, model.device, model.precision, *busy)
        stdout().print(table)
    else:
        stderr().print("No worker is running.")
    if refused:
        counts = ", ".join(f"{count} {printable(reason)}" for reason, count in sorted(refused.items()))
        stderr().print(f"Messages, and images in them, that workers have refused so far: {counts}", soft_wrap=True)
    return 0


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, overflow="fold", justify="left" if index < 2 or name == "device" else "right")
    return table
