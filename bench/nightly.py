"""A catalogue that is tagged again: run `make bench-nightly [ARGS="--items 5000 --rounds 3"]`.

A worker with the demo model tags 5,000 images (the demo's pictures, each in a file of its own) by two questions:
without the cache of answers, for the first time with it, again, and again with one image in a hundred changed. These
come by turns, each round with other images, so that what else the machine does falls on all of them. Told are the
seconds of a job, from its submission to its end, and the processor time that all processes of the worker take: on a
machine that is shared, the former say little. For a cache on disk, and for one in Redis.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.blip.machine import described, use_two_cores

from askpix.producer.errors import JobError
from askpix.producer.questions import Question
from askpix.worker.local import LocalSystem

ITEMS, ROUNDS = 5_000, 3
CHANGED = 100
"""One of so many images is another one on the last night."""

MOST_ADDED_MS = 1.0
"""Processor time an item that the cache may add to a first run. A model of base size takes some hundred of them."""

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "nightly.json"
RUNS = {
    "without": "without the cache",
    "first": "for the first time",
    "again": "again, unchanged",
    "changed": "again, 1 % changed",
}
SHEET = (
    Question("what color is it?", name="color", choices=("red", "green", "blue", "black", "white", "yellow")),
    Question("what is it?", name="kind"),
)
_TICKS = os.sysconf("SC_CLK_TCK")
_WARM = 64


@dataclass(frozen=True)
class Took:
    """What a job took."""

    seconds: float
    processor: float
    """Seconds of processors, of all processes of the worker."""


class Catalogue:
    """Images in a folder, of which each is another file than any before."""

    def __init__(self, folder: Path, items: int) -> None:
        self._drawn = [path.read_bytes() for path in sorted((ROOT / "demo" / "images").glob("*.jpg"))]
        self._written = 0
        self.paths = [folder / f"{number:05d}.jpg" for number in range(items)]
        self.change(1)

    def change(self, every: int) -> None:
        """Has every so-manieth image be another one."""
        for path in self.paths[::every]:
            data, comment = self._drawn[self._written % len(self._drawn)], b"%d" % self._written
            path.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
            self._written += 1


def measure(place: str, items: int, rounds: int) -> dict[str, list[Took]]:
    """Returns what each run of each round took.

    Args:
        place: where answers are kept, as ASKPIX_ANSWER_CACHE says it.
    """
    took: dict[str, list[Took]] = {name: [] for name in RUNS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-bench-")))
        (folder / "images").mkdir()
        catalogue = Catalogue(folder / "images", items)
        os.environ["ASKPIX_ANSWER_CACHE"] = place
        local = stack.enter_context(LocalSystem(storage_root=folder, files_roots=[folder]))
        _run(local, catalogue.paths[:_WARM], folder / "warm", cache=False)
        for number in range(rounds):
            catalogue.change(1)
            # Which of the two comes first, changes.
            order = ("without", "first") if number % 2 else ("first", "without")
            for name in (*order, "again", "changed"):
                if name == "changed":
                    catalogue.change(CHANGED)
                output = folder / f"{name}-{number}"
                took[name].append(_run(local, catalogue.paths, output, cache=name != "without"))
    return took


def _run(local: LocalSystem, paths: list[Path], output: Path, *, cache: bool) -> Took:
    before, began = _processor(local.worker.pid), time.perf_counter()
    job = local.client.submit(
        list(map(str, paths)), output=str(output), model=local.model, questions=SHEET, cache=cache
    )
    progress = next(one for one in job.watch(0.02) if one.finished or one.error)
    seconds = time.perf_counter() - began
    if progress.error or progress.failed:
        raise JobError(progress.error or f"{progress.failed} items failed: see {output}")
    return Took(seconds, _processor(local.worker.pid) - before)


def _processor(pid: int) -> float:
    """Returns the processor seconds of a process and all under it that live."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return (int(stat[11]) + int(stat[12])) / _TICKS + sum(map(_processor, map(int, children)))


def summary(took: dict[str, list[Took]], items: int) -> dict[str, Any]:
    """Returns medians and ratios within rounds."""
    told: dict[str, Any] = {
        name: {
            "seconds": round(statistics.median(one.seconds for one in some), 3),
            "items_a_second": round(items / statistics.median(one.seconds for one in some)),
            "processor_ms_an_item": round(statistics.median(one.processor for one in some) / items * 1000, 3),
        }
        for name, some in took.items()
    }
    told["first_to_without"] = _ratios([(a.processor, b.processor) for a, b in _pairs(took, "first", "without")])
    told["first_to_without_seconds"] = _ratios([(a.seconds, b.seconds) for a, b in _pairs(took, "first", "without")])
    told["speed_up"] = _ratios([(a.seconds, b.seconds) for a, b in _pairs(took, "first", "again")])
    told["speed_up_changed"] = _ratios([(a.seconds, b.seconds) for a, b in _pairs(took, "first", "changed")])
    return told


def _added_ms(told: dict[str, Any]) -> float:
    return told["first"]["processor_ms_an_item"] - told["without"]["processor_ms_an_item"]


def _pairs(took: dict[str, list[Took]], one: str, other: str) -> list[tuple[Took, Took]]:
    return list(zip(took[one], took[other], strict=True))


def _ratios(pairs: list[tuple[float, float]]) -> dict[str, float]:
    ratios = sorted(one / other for one, other in pairs)
    return {"median": round(statistics.median(ratios), 3), "least": round(ratios[0], 3), "most": round(ratios[-1], 3)}


@contextmanager
def _places(folder: Path) -> Iterator[dict[str, str]]:
    """Yields where answers are kept, by name; Redis where it is installed."""
    places = {"disk": str(folder / "answers")}
    socket = folder / "cache.sock"
    bounded = ["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", *bounded]
    try:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
    except FileNotFoundError:
        print("redis-server is not installed: the disk alone is measured")
        yield places
        return
    try:
        yield {**places, "redis": f"redis+socket://{socket}"}
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    use_two_cores()
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _places(Path(folder)) as places:
        for name, place in places.items():
            found[name] = summary(measure(place, options.items, options.rounds), options.items)
            print(f"\n| {name}: {options.items:,} items | seconds | items a second | processor ms an item |")
            print("|---|---|---|---|")
            for run, words in RUNS.items():
                seconds, rate, processor = found[name][run].values()
                print(f"| {words} | {seconds:.2f} | {rate:,} | {processor:.2f} |")
            print(
                f"\nAgain: {found[name]['speed_up']['median']:.1f} times as fast; with 1 % changed, "
                f"{found[name]['speed_up_changed']['median']:.1f} times. A first run takes "
                f"{found[name]['first_to_without']['median']:.3f} times the processor time of one without the cache "
                f"({found[name]['first_to_without']['least']:.3f} to {found[name]['first_to_without']['most']:.3f})."
            )
    if (options.items, options.rounds) == (ITEMS, ROUNDS):
        told = {"machine": described(), "items": options.items, "rounds": options.rounds, **found}
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    if any(_added_ms(one) > MOST_ADDED_MS for one in found.values()):
        raise SystemExit(f"the cache adds more than {MOST_ADDED_MS} ms of processors to an item of a first run")


if __name__ == "__main__":
    main()
