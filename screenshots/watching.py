"""The terminal of `askpix watch`, in the midst of a job of two workers that has some failures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from askpix.producer.client import Client
from askpix.worker.local import EmbeddedBroker, demo_model
from askpix.worker.models.folder import load_manifest
from screenshots.svg import drawn
from screenshots.terminal import Terminal

ROOT = Path(__file__).parents[1]
_ASKPIX = Path(sys.executable).with_name("askpix")
_ITEMS = 6_000
_WORKERS = 2


def watching(output: Path) -> None:
    """Writes the picture."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-")))
        broker = EmbeddedBroker(folder)
        stack.callback(broker.close)
        broker.start()
        client = stack.enter_context(Client(broker.url))
        env = {name: value for name, value in os.environ.items() if not name.startswith("ASKPIX_")}
        with (folder / "worker.log").open("wb") as log:
            command = [
                str(_ASKPIX),
                "worker",
                "--broker",
                broker.url,
                "--replicas",
                str(_WORKERS),
                "--storage-root",
                str(folder),
            ]
            command += ["--files-root", str(folder / "photos")]
            worker = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(worker.wait, 30)
        stack.callback(worker.terminate)
        while len(client.workers()) < _WORKERS:
            time.sleep(0.1)
        model = load_manifest(demo_model()).name
        # The pictures are few, many times over: answers that are kept would leave nothing to watch.
        job = client.submit(
            _photos(folder), output=str(folder / "job"), model=model, base=str(folder), part_size=64, cache=False
        )
        command = [str(_ASKPIX), "watch", job.folder.uri, "--broker", broker.url]
        terminal = stack.enter_context(Terminal(command, columns=80, lines=24, cwd=folder, env=env))
        output.write_text(drawn(terminal.seen(_well_under_way, within=60), "askpix watch"))


def _photos(folder: Path) -> list[str]:
    """Writes pictures, of which a few are damaged; returns their names, and a few that are not there."""
    demo = sorted((ROOT / "demo" / "images").glob("*.jpg"))
    (folder / "photos").mkdir()
    names = []
    for number in range(_ITEMS):
        picture = demo[number % len(demo)]
        names.append(f"photos/{number:05d}-{picture.stem.partition('-')[2]}.jpg")
        data = picture.read_bytes()
        if number % 150 != 77:
            (folder / names[-1]).write_bytes(data[: len(data) // 3] if number % 400 == 123 else data)
    return names


def _well_under_way(lines: list[str]) -> bool:
    parts = ("CPU", " to ", "errors", "answers")
    head = lines[0] if lines else ""
    return all(any(part in line for line in lines) for part in parts) and head.endswith(" %") and _percent(head) >= 40


def _percent(head: str) -> int:
    return int(head.split()[-2])
