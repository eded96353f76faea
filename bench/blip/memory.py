"""Whether a worker's memory stays flat: run `python -m bench.blip.memory`, or `make bench-memory`.

One job of 5,000 pictures through form (e); the worker's resident memory is read whenever the job gets further.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bench.blip import machine
from bench.blip.figures import growth
from bench.blip.models import built
from bench.blip.pages import BLIP, MEMORY, update_pages
from bench.blip.results import Memory
from bench.blip.session import say
from bench.blip.system_form import SystemForm
from bench.blip.table import memory_line
from bench.blip.tasks import CAPTIONS

_EVERY_SECONDS = 2.0
"""Between two samples that are kept."""

_TOLD_EVERY = 500


def measure(recipe: str, items: int) -> Memory:
    """Captions so many pictures with a worker of the quantized model; returns what it held meanwhile."""
    system = SystemForm(built(recipe, say).int8, "auto")
    series: list[tuple[int, float, float, float]] = []
    try:
        job, started, told = system.submit(CAPTIONS, items), None, 0
        for done, now in system.progress(job):
            started = now if started is None else started
            seconds = round(now - started, 2)
            if not series or seconds - series[-1][1] >= _EVERY_SECONDS or done == items:
                series.append((done, seconds, *_resident_mb(system.worker_pid)))
            if done - told >= _TOLD_EVERY:
                told = done
                say(f"  {done} images: {series[-1][2]:.0f} MB")
        peak = _status_mb(system.worker_pid, "VmHWM")
    finally:
        system.close()
    grown = growth([resident for _, _, resident, _ in series])
    return Memory(model=recipe, machine=machine.described(), series=series, peak_mb=peak, growth_mb=grown)


def _resident_mb(pid: int) -> tuple[float, float]:
    """Returns the resident megabytes of a process, and how much of them is not a file's that is mapped."""
    return _status_mb(pid, "VmRSS"), _status_mb(pid, "RssAnon")


def _status_mb(pid: int, name: str) -> float:
    # In kB of 1,024 bytes.
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) * 1024 / 1e6, 1) if found else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.blip.memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=5_000, help="pictures of the job (5,000)")
    parser.add_argument("--quick", action="store_true", help="a small model: whether it all works")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the results go, as JSON")
    options = parser.parse_args()
    machine.use_two_cores()
    memory = measure("small" if options.quick else "base", options.images)
    print(memory_line(memory))
    if output := options.output or (None if options.quick else MEMORY):
        memory.write(output)
        say(f"written: {output}")
    if output == MEMORY and BLIP.exists():
        update_pages()


if __name__ == "__main__":
    main()
