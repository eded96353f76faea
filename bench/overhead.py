"""What an item costs beside the model: run `python bench/overhead.py [IMAGES]`.

Runs the demo model over small local images (120 by 120 JPEG, no two alike) through a broker, a worker and a job
folder, and prints the worker's processor time per item by stage: that of all its threads less the time inside infer
calls, in which OpenVINO's own threads are. The clocks themselves are part of it. Also follows the worker's memory.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from blip.machine import described
from overhead_worker import MODEL, STAGES
from PIL import Image

from askpix.producer.client import Client
from askpix.producer.errors import JobError
from askpix.worker.local import EmbeddedBroker, demo_model
from askpix.worker.models.folder import load_manifest

IMAGES = 20_000
FLOOR_MS = 1.0
"""Processor time per item outside the model that must not be exceeded, in milliseconds."""

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "overhead.json"
_SIDE = 120
_MEMORY_SECONDS = 0.5


def draw(folder: Path, count: int) -> list[str]:
    """Writes so many JPEG images, each another shift of a demo picture; returns their paths."""
    pictures = []
    for path in sorted((ROOT / "demo" / "images").glob("*.jpg")):
        with Image.open(path) as image:
            pictures.append(np.asarray(image.resize((_SIDE, _SIDE))))
    paths = []
    for number in range(count):
        turn, which = divmod(number, len(pictures))
        pixels = np.roll(pictures[which], (turn % _SIDE, turn // _SIDE), (0, 1))
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=90)
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(data.getvalue())
        paths.append(str(path))
    return paths


class CountingWorker:
    """A worker process that tells its counts, from `with` to its end."""

    def __init__(self, broker_url: str, storage_root: Path, images: Path, log: Path) -> None:
        self._log = log.open("wb")
        folders = ["--storage-root", str(storage_root), "--files-root", str(images)]
        command = [sys.executable, str(Path(__file__).with_name("overhead_worker.py")), "worker"]
        self._process = subprocess.Popen(
            [*command, "--model", str(demo_model()), *folders, "--broker", broker_url],
            # Within the worker, where its time can be told from that of the model.
            env={**os.environ, "ASKPIX_DECODE_PROCESSES": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)
        self._log.close()

    def counts(self) -> dict[str, Any]:
        """Returns the processor time that it has used so far; see `overhead_worker`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self.check(wait=10)
        counts: dict[str, Any] = json.loads(line)
        return counts

    def check(self, wait: float = 0) -> None:
        """Raises SystemExit where it has ended, or does so within some seconds."""
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(wait)
            raise SystemExit(f"the worker ended ({code}): {Path(self._log.name).read_text()[-2_000:]}")

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6


@dataclass
class Memory:
    """Samples a worker's resident memory against the items that it has done."""

    worker: CountingWorker
    done: int = 0
    samples: list[tuple[int, float]] = field(default_factory=list)
    """Items done and resident MB."""

    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_MEMORY_SECONDS):
            self.samples.append((self.done, round(self.worker.resident_mb(), 1)))

    def summary(self, items: int) -> dict[str, Any]:
        """Returns the median of the second and the last tenth of the items, and every tenth or so of a series."""
        second = [mb for done, mb in self.samples if items * 0.1 <= done < items * 0.2]
        last = [mb for done, mb in self.samples if done >= items * 0.9]
        return {
            "second_tenth": statistics.median(second) if second else None,
            "last_tenth": statistics.median(last) if last else None,
            "peak": max(mb for _, mb in self.samples),
            "series": self.samples[:: max(1, len(self.samples) // 40)],
        }


def measure(images: int) -> dict[str, Any]:
    """Returns the figures of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-bench-")))
        paths = draw(folder, images)
        broker = EmbeddedBroker(folder)
        stack.callback(broker.close)
        broker.start()
        client = stack.enter_context(Client(broker.url))
        worker = stack.enter_context(CountingWorker(broker.url, folder, folder, folder / "worker.log"))
        # What is done once, at the first request, is no item's.
        _run(client, paths[:32], folder / "warm", Memory(worker))
        memory = stack.enter_context(Memory(worker))
        before = worker.counts()
        seconds = _run(client, paths, folder / "job", memory)
        after = worker.counts()
    return {
        "images": images,
        "seconds": round(seconds, 2),
        "milliseconds_per_item": _per_item(before, after, images),
        "resident_mb": memory.summary(images),
    }


def _run(client: Client, paths: list[str], output: Path, memory: Memory) -> float:
    """Has a job done; returns its seconds. Fails where an item does."""
    job = client.submit(paths, output=str(output), model=load_manifest(demo_model()).name, cache=False)
    began = time.perf_counter()
    for progress in job.watch():
        memory.worker.check()
        memory.done = progress.done
        if problem := progress.error:
            raise JobError(problem)
    if progress.failed:
        raise JobError(f"{progress.failed} items failed: see {output}")
    return time.perf_counter() - began


def _per_item(before: dict[str, Any], after: dict[str, Any], images: int) -> dict[str, Any]:
    def grown(kind: str) -> dict[str, float]:
        return {name: (value - before[kind].get(name, 0)) / images / 1e6 for name, value in after[kind].items()}

    threads, stages = grown("threads"), grown("stages")
    process = (after["process"] - before["process"]) / images / 1e6
    inside = stages.pop(MODEL)
    outside = sum(threads.values()) - inside
    names = [stage for stage, *_ in STAGES if stage in stages]
    return {
        "outside_the_model": round(outside, 4),
        "stages": {
            **{name: round(stages[name], 4) for name in names},
            "Celery and the rest": round(outside - sum(stages.values()), 4),
        },
        "threads": {name: round(value, 4) for name, value in sorted(threads.items())},
        "model": round(process - outside, 4),
        "process": round(process, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=int, nargs="?", default=IMAGES)
    parser.add_argument("--output", type=Path, default=None, help=f"where figures go as JSON ({RESULTS.name})")
    options = parser.parse_args()
    figures = measure(options.images)
    per_item, resident = figures["milliseconds_per_item"], figures["resident_mb"]
    print("| stage | ms of processor an item |")
    print("|---|---|")
    for stage, milliseconds in per_item["stages"].items():
        print(f"| {stage} | {milliseconds:.3f} |")
    print(f"| **outside the model** (at most {FLOOR_MS}) | **{per_item['outside_the_model']:.3f}** |")
    print(f"| the model | {per_item['model']:.3f} |")
    rate = figures["images"] / figures["seconds"]
    print(f"\n{figures['images']:,} images in {figures['seconds']:.0f} s ({rate:.0f} a second).")
    print(
        f"Resident memory: {resident['second_tenth']} MB in the second tenth of the items,"
        f" {resident['last_tenth']} MB in the last, {resident['peak']} MB at most."
    )
    output = options.output or (RESULTS if options.images == IMAGES else None)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({"machine": described(), **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
