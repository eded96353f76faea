"""What sharing a machine's cores among workers costs: run `make bench-workers [ARGS="--rounds 3"]`.

The same jobs are done by one worker on two cores, by two workers of one core each, and by `--replicas 2`: captions by
the demo model, and by a BLIP of the real base size. Each form has a broker database and workers of its own, which
stand still but for its turns; in each round each form has a turn at each job, every other round backwards, and ratios
are taken within a round. The clock runs in the midst of a job, when all workers are busy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.blip import ROOT, models, pictures
from bench.blip.machine import described
from helpers.system import RedisServer

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.items import Options
from askpix.worker.cores import allowed
from askpix.worker.local import demo_model
from askpix.worker.models.folder import read_manifest

RESULTS = ROOT / "bench" / "results" / "workers.json"
ROUNDS = 5
FLOORS = {"two workers of one core each": 0.9, "--replicas 2": 1.0}
"""Items per second, of those of one worker on both cores, that there must be in the median of the rounds."""

_ONE = "one worker on both cores"
_UNPINNED = "two workers, each on both cores"
_TOKENS = 12
_START_SECONDS, _TURN_SECONDS = 600, 3_600
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is to be done in a turn."""

    name: str
    folder: Path
    """Of the model."""

    items: int
    """Over which the clock runs."""

    part: int
    """Items in a part."""

    @property
    def lead(self) -> int:
        """Items that are done before the clock starts: each worker has ended parts by then."""
        return 4 * self.part

    @property
    def tail(self) -> int:
        """Items that are still to do when it stops: each worker has more than it takes at a time."""
        return 8 * self.part


class Form:
    """Workers of one form and a client, from `with` to the end."""

    def __init__(self, name: str, options: list[list[str]], broker: str, folder: Path, files: Path) -> None:
        self.name = name
        self._options, self._broker, self._folder, self._files = options, broker, folder, files
        self._jobs = 0

    def start(self, loads: Iterable[Load]) -> Self:
        """Starts the workers, all of which serve the models of all loads."""
        models = [word for load in loads for word in ("--model", str(load.folder))]
        self._folder.mkdir()
        self._client = Client(self._broker)
        command = [sys.executable, "-P", "-m", "askpix.cli.entry", "worker", *models, "--broker", self._broker]
        command += ["--storage-root", str(self._folder), "--files-root", str(self._files)]
        self._workers = []
        for number, options in enumerate(self._options):
            with (self._folder / f"worker-{number}.log").open("wb") as log:
                process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._workers.append(process)
            # One after the other: the second finds in the cache what the first has compiled.
            self._wait(number + 1)
        return self

    def _wait(self, workers: int) -> None:
        wanted = 2 if self.name == "--replicas 2" else workers
        ends = time.monotonic() + _START_SECONDS
        while len(self._client.workers()) < wanted:
            if time.monotonic() > ends or any(worker.poll() is not None for worker in self._workers):
                logs = "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))
                raise SystemExit(f"{self.name}: the workers did not start:\n{logs[-2_000:]}")
            time.sleep(0.2)

    def turn(self, load: Load, paths: Iterator[str]) -> dict[str, Any]:
        """Has a job done; returns its items per second, and how many each worker did."""
        number = load.lead + load.items + load.tail
        self._jobs += 1
        job = self._client.submit(
            [next(paths) for _ in range(number)],
            output=str(self._folder / f"job-{self._jobs}"),
            model=read_manifest(load.folder).name,
            options=Options(max_new_tokens=_TOKENS),
            part_size=load.part,
            cache=False,
        )
        readings = list(_readings(job, load.lead, load.lead + load.items))
        ended = list(job.watch(_POLL_SECONDS))[-1]
        if not ended.finished or ended.failed:
            raise SystemExit(f"{self.name}: {ended.error or f'{ended.failed} items failed'}")
        (began, first), (stopped, last) = readings[0], readings[-1]
        return {"rate": (last - first) / (stopped - began), "shares": sorted(ended.workers.values())}

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait(60)
        self._client.close()


def _readings(job: Job, first: int, last: int) -> Iterator[tuple[float, int]]:
    """Yields when how many items were done, from a first number of them to a last or a little more."""
    seen = -1
    for progress in job.watch(_POLL_SECONDS):
        now = time.perf_counter()
        if progress.done > seen and progress.done >= first:
            seen = progress.done
            yield now, seen
        if progress.done >= last:
            return


def forms(cpus: list[int], unpinned: bool) -> dict[str, list[list[str]]]:
    """Returns the options of each form's workers."""
    both = ["--cpus", ",".join(map(str, cpus))]
    found = {
        _ONE: [both],
        "two workers of one core each": [["--cpus", str(cpu)] for cpu in cpus],
        "--replicas 2": [[*both, "--replicas", "2"]],
    }
    return {**found, _UNPINNED: [both, both]} if unpinned else found


def measure(loads: list[Load], rounds: int, *, unpinned: bool) -> dict[str, Any]:
    """Returns items per second of each form at each load, round by round."""
    cpus = list(allowed())[:2]
    if len(cpus) < 2:
        raise SystemExit("this compares two cores with one and one: there is one")
    rates: dict[str, dict[str, list[float]]] = {load.name: {} for load in loads}
    shares: dict[str, dict[str, list[list[int]]]] = {load.name: {} for load in loads}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-bench-")))
        files = folder / "pictures"
        paths = _drawn(files, max(load.lead + load.items + load.tail for load in loads))
        broker = stack.enter_context(closing(RedisServer(folder)))
        started = []
        for number, (name, options) in enumerate(forms(cpus, unpinned).items()):
            url = broker.url.removesuffix("0") + str(number)
            form = Form(name, options, url, folder / f"form-{number}", files)
            stack.callback(form.close)
            started.append(form.start(loads))
        for load in loads:  # what is done once, at the first requests, is no item's
            for form in started:
                form.turn(Load(name="warm", folder=load.folder, items=load.part, part=load.part), iter(paths))
        for number in range(rounds):
            for load in loads:
                for form in started if number % 2 == 0 else started[::-1]:
                    told = form.turn(load, iter(paths))
                    print(f"round {number + 1}, {load.name}, {form.name}: {told['rate']:.2f}/s {told['shares']}")
                    rates[load.name].setdefault(form.name, []).append(round(told["rate"], 3))
                    shares[load.name].setdefault(form.name, []).append(told["shares"])
    return {"cpus": cpus, "rates": rates, "shares": shares}


def _drawn(folder: Path, count: int) -> list[str]:
    """Writes so many JPEG files of 640x480; returns their paths."""
    folder.mkdir()
    found = []
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(pictures.jpeg(number))
        found.append(str(path))
    return found


def ratios(rates: dict[str, list[float]]) -> dict[str, list[float]]:
    """Returns each form's items per second of those of one worker on both cores, round by round."""
    return {
        name: [round(own / one, 3) for own, one in zip(values, rates[_ONE], strict=True)]
        for name, values in rates.items()
        if name != _ONE
    }


def table(figures: dict[str, Any]) -> str:
    """Returns the figures as lines of Markdown."""
    lines = [
        "| job | form | items/s, median | of one worker's, median (lowest to highest) | floor |",
        "|---|---|---|---|---|",
    ]
    for load, rates in figures["rates"].items():
        shown = ratios(rates)
        for name, values in rates.items():
            own = shown.get(name)
            ratio = "" if own is None else f"{statistics.median(own):.2f} ({min(own):.2f} to {max(own):.2f})"
            floor = FLOORS.get(name)
            verdict = "" if floor is None or own is None else f"{floor} {_verdict(own, floor)}"
            lines.append(f"| {load} | {name} | {statistics.median(values):.2f} | {ratio} | {verdict} |")
    return "\n".join(lines)


def _verdict(own: list[float], floor: float) -> str:
    return "ok" if statistics.median(own) >= floor else "below"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--loads", nargs="+", choices=("demo", "blip"), default=["demo", "blip"])
    parser.add_argument("--recipe", choices=tuple(models.RECIPES), default="base", help="the BLIP; base by default")
    parser.add_argument("--items", type=int, nargs=2, metavar=("DEMO", "BLIP"), default=[3_000, 192])
    parser.add_argument("--unpinned", action="store_true", help="also two workers that share both cores")
    options = parser.parse_args()
    loads = []
    if "demo" in options.loads:
        loads.append(Load(name="demo model", folder=demo_model(), items=options.items[0], part=64))
    if "blip" in options.loads:
        made = models.built(options.recipe, print)
        loads.append(Load(name=f"BLIP {options.recipe}, INT8", folder=made.int8, items=options.items[1], part=16))
    figures = measure(loads, options.rounds, unpinned=options.unpinned)
    print(f"\n{table(figures)}")
    if options.recipe == "base" and len(loads) > 1 and options.rounds >= ROUNDS:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"machine": described(), **figures}, indent=1) + "\n")
    below = [
        f"{load}: {name}"
        for load, rates in figures["rates"].items()
        for name, own in ratios(rates).items()
        if name in FLOORS and _verdict(own, FLOORS[name]) == "below"
    ]
    if below:
        raise SystemExit(f"below its floor: {', '.join(below)}")


if __name__ == "__main__":
    main()
