"""A worker that counts its own processor time by stage: `bench/overhead.py` starts it and asks for its counts.

Runs `askpix worker` with the arguments that it is given, in this process. Each line on standard input is answered by
one on standard output: the processor time so far, in nanoseconds, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

import openvino as ov

from askpix.cli.entry import main as askpix
from askpix.producer import lease
from askpix.producer.job_folder import JobFolder
from askpix.worker import loading
from askpix.worker.blip.engine import BlipEngine
from askpix.worker.images import decoder
from askpix.worker.images.fetch import Fetcher
from askpix.worker.item import ItemWork
from askpix.worker.items_in_work import ItemsInWork
from askpix.worker.part import PartRunner
from askpix.worker.part_items import PartItems

MODEL = "model"
"""The stage that is not counted: what an infer request computes."""

STAGES: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    (MODEL, ov.InferRequest, ("infer", "start_async", "wait")),
    ("fetch", Fetcher, ("fetch",)),
    ("hash", loading, ("digest",)),
    ("decode", decoder, ("decode",)),
    ("submit", BlipEngine, ("open_image", "submit")),
    ("load, rest", PartItems, ("_load",)),
    ("engine", BlipEngine, ("_turn",)),
    ("hand-over", ItemWork, ("_go_on",)),
    ("rows", ItemsInWork, ("make_rows",)),
    ("reading", JobFolder, ("read_input", "read_partial", "spec", "has_result", "pin_model", "holds")),
    ("writing", JobFolder, ("write_result", "remove_partial")),
    ("counting", lease.Lease, ("live", "done")),
    ("part, rest", PartRunner, ("run",)),
)
"""Functions by the stage that they are counted to, each without those that it calls and that are counted themselves."""


class Counts:
    """Processor time of each thread by stage, in nanoseconds."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[dict[str, int]] = []

    def counted(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that does the same and counts the processor time of its thread."""
        own, clock = self._own, time.thread_time_ns

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if not hasattr(own, "spent"):
                own.spent, own.inner = defaultdict(int), 0
                self._all.append(own.spent)
            around, own.inner, began = own.inner, 0, clock()
            try:
                return function(*arguments, **named)
            finally:
                took = clock() - began
                own.spent[stage] += took - own.inner
                own.inner = around + took

        return call

    def read(self) -> dict[str, int]:
        """Returns the sums over all threads."""
        sums: dict[str, int] = defaultdict(int)
        for spent in list(self._all):
            for stage, nanoseconds in list(spent.items()):
                sums[stage] += nanoseconds
        return sums


def main() -> None:
    counts = Counts()
    for stage, owner, names in STAGES:
        for name in names:
            setattr(owner, name, counts.counted(stage, getattr(owner, name)))
    threading.Thread(target=_answer, args=(counts,), daemon=True).start()
    askpix()


def _answer(counts: Counts) -> None:
    for _ in sys.stdin:
        print(json.dumps(_reading(counts)), flush=True)


def _reading(counts: Counts) -> dict[str, Any]:
    threads: dict[str, int] = defaultdict(int)
    for thread in threading.enumerate():
        # Python knows those threads of OpenVINO that have called back; they are not its own.
        if thread.ident is not None and not isinstance(thread, threading._DummyThread):
            clock = time.pthread_getcpuclockid(thread.ident)
            threads[_kind(thread.name)] += time.clock_gettime_ns(clock)
    return {"process": time.process_time_ns(), "threads": threads, "stages": counts.read()}


def _kind(name: str) -> str:
    return name.rstrip("0123456789").rstrip("-_") or name


if __name__ == "__main__":
    main()
