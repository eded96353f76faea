"""What watching a long job costs: run `make bench-watch [ARGS="--items 100000"]`.

A real worker does a job of 100,000 rows (of 48 pictures, which rows of a part share, so that it is quick; every
hundredth is missing). Watchers follow it in terminals of their own: one from the beginning, one that comes late and is
resized all the time, one that is killed and started again. Told are the share of a core that each takes, its memory
early and late, and whether what it says at the end is what the job folder holds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.blip.machine import described
from screenshots.terminal import Terminal

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.standing import standing
from askpix.worker.local import EmbeddedBroker, demo_model
from askpix.worker.models.folder import load_manifest

ITEMS = 100_000
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "watch.json"
_ASKPIX = Path(sys.executable).with_name("askpix")
_TICKS = os.sysconf("SC_CLK_TCK")
_NAMES = ("from the beginning", "late, and resized every second", "killed and started again")
MOST_OF_A_CORE, _MOST_GROWN_MB = 0.05, 10
"""Of a watcher."""

_SIZES = ((60, 24), (132, 43), (80, 24), (200, 50))


@dataclass
class Watcher:
    """`askpix watch` in a terminal."""

    name: str
    terminal: Terminal
    began: float
    early_mb: float | None = None
    late_mb: float = 0.0
    processor: float = 0.0
    """Seconds of it that it has used."""

    def look(self) -> None:
        """Reads how much it has used; where it has ended, what was read before stays."""
        try:
            stat = Path(f"/proc/{self.terminal.process.pid}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{self.terminal.process.pid}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return
        if stat[0] == "Z":
            return
        self.processor = (int(stat[11]) + int(stat[12])) / _TICKS
        self.late_mb = pages * 4096 / 1e6
        # Once it shows something, and has loaded what it needs.
        if self.early_mb is None and time.monotonic() - self.began > 10:
            self.early_mb = self.late_mb

    def figures(self, ended: float) -> dict[str, Any]:
        seconds = ended - self.began
        return {
            "seconds": round(seconds, 1),
            "processor_seconds": round(self.processor, 2),
            "share_of_a_core": round(self.processor / seconds, 4),
            "megabytes_early": None if self.early_mb is None else round(self.early_mb, 1),
            "megabytes_late": round(self.late_mb, 1),
            "bytes_written": len(self.terminal.written),
            "said": next((line for line in self.terminal.shown() if " items: " in line), None),
        }


def measure(items: int) -> dict[str, Any]:
    """Returns the figures of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-bench-")))
        broker = EmbeddedBroker(folder)
        stack.callback(broker.close)
        broker.start()
        client = stack.enter_context(Client(broker.url))
        model = load_manifest(demo_model()).name
        job = client.submit(_images(items), output=str(folder / "job"), model=model, cache=False)

        def watcher(name: str, columns: int = 80) -> Watcher:
            command = [str(_ASKPIX), "watch", job.folder.uri, "--broker", broker.url]
            env = {name: value for name, value in os.environ.items() if not name.startswith("ASKPIX_")}
            opened = Terminal(command, columns=columns, lines=24, cwd=folder, env=env)
            return Watcher(name, stack.enter_context(opened), time.monotonic())

        stack.callback(_ended, _worker(folder, broker.url))
        watchers = _watched(job, items, watcher)
        ended = time.monotonic()
        for one in watchers:
            one.terminal.end()
        stand = standing(job.folder, job.spec)
    right = f"{items} items: {stand.ok} ok, {stand.failed} failed"
    return {
        "items": items,
        "seconds": round(ended - watchers[0].began, 1),
        "right": right,
        "watchers": {one.name: one.figures(ended) for one in watchers},
    }


def _images(items: int) -> list[str]:
    pictures = sorted((ROOT / "demo" / "images").glob("*.jpg"))
    return [
        str(pictures[number % len(pictures)]) if number % 100 else f"/missing/{number}.jpg" for number in range(items)
    ]


def _worker(folder: Path, broker_url: str) -> subprocess.Popen[bytes]:
    access = ["--storage-root", str(folder), "--files-root", str(ROOT / "demo" / "images"), "--files-root", "/missing"]
    command = [str(_ASKPIX), "worker", "--model", str(demo_model()), *access, "--broker", broker_url]
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def _watched(job: Job, items: int, watcher: Callable[..., Watcher]) -> list[Watcher]:
    """Follows the job to its end; returns the watchers that are there then."""
    watchers = [watcher(_NAMES[0]), killed := watcher(_NAMES[2])]
    resized, again = None, None
    turns = 0
    for progress in job.watch(1.0):
        share = progress.done / items
        if again is None and share > 0.2:
            if killed in watchers:
                watchers.remove(killed)
                killed.terminal.process.kill()
            if share > 0.3:
                watchers.append(again := watcher(killed.name))
        if resized is None and share > 0.25:
            watchers.append(resized := watcher(_NAMES[1]))
        if resized is not None:
            turns += 1
            resized.terminal.resize(*_SIZES[turns % len(_SIZES)])
        for one in watchers:
            one.look()
    return watchers


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    options = parser.parse_args()
    figures = measure(options.items)
    print(f"{figures['items']:,} items in {figures['seconds']:.0f} s; at the end: {figures['right']}\n")
    print("| watcher | seconds | % of a core | MB early | MB late | says at the end |")
    print("|---|---|---|---|---|---|")
    for name, told in figures["watchers"].items():
        share = f"{told['share_of_a_core']:.1%}".rstrip("%")
        memory = f"{told['megabytes_early']} | {told['megabytes_late']}"
        print(f"| {name} | {told['seconds']:.0f} | {share} | {memory} | {told['said']} |")
    wrong = [name for name in _NAMES if figures["watchers"].get(name, {}).get("said") != figures["right"]]
    if options.items == ITEMS:
        RESULTS.write_text(json.dumps({"machine": described(), **figures}, indent=1) + "\n")
    if wrong:
        raise SystemExit(f"wrong at the end, or not there: {', '.join(wrong)}")
    for name, told in figures["watchers"].items():
        grown = told["megabytes_late"] - (told["megabytes_early"] or 0)
        if told["share_of_a_core"] > MOST_OF_A_CORE or grown > _MOST_GROWN_MB:
            raise SystemExit(f"the watcher {name} takes too much")


if __name__ == "__main__":
    main()
