"""What workers' traces say: which parts were done, and how long places for parts stood empty."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from askpix.worker.slots import PARTS_AT_ONCE


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """One worker's parts."""

    worker: str
    begins: Sequence[tuple[float, int]]
    """When, in seconds, and which; in this order."""

    ends: Sequence[tuple[float, int, str]]
    """And how: `done`, `elsewhere` or `raised`."""

    @classmethod
    def read(cls, path: Path, since: float) -> Trace:
        """Returns what a trace file holds since a moment; a last line that was cut off is left out."""
        begins, ends = [], []
        for line in path.read_text().splitlines(keepends=True):
            words = line.split()
            if not line.endswith("\n") or len(words) < 3:
                continue
            when, part = int(words[1]) / 1e9, int(words[2])
            if when < since:
                continue
            if words[0] == "begin":
                begins.append((when, part))
            else:
                ends.append((when, part, words[3]))
        return cls(worker=path.stem, begins=begins, ends=ends)

    def unended(self) -> list[int]:
        """Returns the parts that were begun and not ended."""
        begun = Counter(part for _, part in self.begins)
        begun.subtract(part for _, part, _ in self.ends)
        return sorted(begun.elements())

    def free(self) -> list[tuple[float, float]]:
        """Returns from when to when each place for a part was free between two parts."""
        return [
            (end, begin)
            for (end, _, _), (begin, _) in zip(self.ends, self.begins[PARTS_AT_ONCE:], strict=False)
            if begin > end
        ]

    def idle(self) -> list[tuple[float, float]]:
        """Returns from when to when the worker had no part at all, between its first and its last."""
        marks = sorted([(when, 1) for when, _ in self.begins] + [(when, -1) for when, _, _ in self.ends])
        idle, held = [], 0
        for (when, change), (later, _) in pairwise(marks):
            held += change
            if held == 0:
                idle.append((when, later))
        return idle


def filled(lengths: Sequence[tuple[float, int]]) -> Callable[[float, float], bool]:
    """Returns a function that says whether a queue had messages all the time between two moments.

    Args:
        lengths: of the queue, often enough: what was between two looks that both found some is taken to be so.
    """
    times = [when for when, _ in lengths]
    empty = [0]
    for _, length in lengths:
        empty.append(empty[-1] + (length == 0))

    def had_messages(begin: float, end: float) -> bool:
        # The last look before it, all within, and the first one after.
        first, last = bisect_right(times, begin) - 1, bisect_left(times, end)
        if first < 0 or last >= len(times):
            return False
        return empty[last + 1] == empty[first]

    return had_messages


def waits(spans: Iterable[tuple[float, float]], had_messages: Callable[[float, float], bool]) -> dict[str, Any]:
    """Returns how long the spans were in which there were messages: number, median, 99th percentile, most, sum."""
    seconds = sorted(end - begin for begin, end in spans if had_messages(begin, end))
    if not seconds:
        return {"count": 0}

    def at(share: float) -> float:
        return round(seconds[min(len(seconds) - 1, math.ceil(share * len(seconds)) - 1)], 4)

    return {
        "count": len(seconds),
        "median_s": at(0.5),
        "p99_s": at(0.99),
        "most_s": round(seconds[-1], 4),
        "sum_s": round(sum(seconds), 2),
    }


def done(traces: Iterable[Trace]) -> dict[str, int]:
    """Returns how many parts were begun, done, done once more than needed, left to others, and not ended."""
    ended = Counter[str]()
    times = Counter[int]()
    begun = 0
    for trace in traces:
        begun += len(trace.begins)
        for _, part, how in trace.ends:
            ended[how] += 1
            times[part] += how == "done"
    return {
        "begun": begun,
        "done": ended["done"],
        "done_again": sum(count - 1 for count in times.values() if count > 1),
        "in_work_elsewhere": ended["elsewhere"],
        "given_back": ended["raised"],
        "ended_by_a_kill": begun - sum(ended.values()),
    }
