"""One run of the fleet."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.fleet.fleet import Fleet
from bench.fleet.items import check, items
from bench.fleet.redis_server import Look, Redis, Watched
from bench.fleet.s3 import BUCKET, S3
from bench.fleet.stand_in import MODEL
from bench.fleet.traces import Trace, done, filled, waits

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.progress import Reading, reading_of
from askpix.producer.redis_keys import JobKeys, queue_key

_LOOK_SECONDS = 0.5
_STALLED_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run."""

    workers: int = 64
    items: int = 200_000
    part_size: int = 64
    """A quarter of the usual: 3,125 parts, more than the window takes."""

    item_ms: float = 5.0
    window: int = 2_000
    kills: int = 16
    """Workers that are killed while the job goes on, in four turns; as many come in their place."""

    idle_seconds: float = 15.0
    s3: bool = False
    """Whether the job folder is on S3."""


def measure(plan: Plan) -> dict[str, Any]:
    """Returns the figures of one run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="askpix-fleet-")))
        (members := folder / "members").mkdir()
        server = stack.enter_context(Redis(folder))
        s3 = stack.enter_context(S3(folder)) if plan.s3 else None
        storage = f"s3://{BUCKET}/jobs" if s3 else str(folder)
        client = stack.enter_context(Client(server.url))
        fleet = stack.enter_context(Fleet(server.url, storage, members, plan.item_ms, s3.environment if s3 else {}))
        empty = server.look()
        began = time.monotonic()
        fleet.start(plan.workers)
        fleet.wait_until_live(client)
        started_in = time.monotonic() - began
        # What is done once, with a worker's first part, is no part's.
        _warm_up(client, server, plan.workers, f"{storage}/warm")
        idle = _idle(server, fleet, plan.idle_seconds)
        before, processor = server.look(), fleet.processor_seconds()
        with Watched(server, queue_key(MODEL)) as watched:
            began = time.monotonic()
            job = client.submit(
                items(plan.items),
                output=f"{storage}/job",
                model=MODEL,
                part_size=plan.part_size,
                max_queued=plan.window,
                cache=False,
            )
            submitted_in = time.monotonic() - began
            asked = s3.asked() if s3 else Counter[str]()
            killed: list[Killed] = []
            looks = []
            for reading, fields in _followed(server, job):
                looks.append(fields)
                if len(killed) < plan.kills and reading.done > plan.items * (0.15 + 0.6 * len(killed) / plan.kills):
                    killed += _replace(fleet, max(1, plan.kills // 4))
            seconds = time.monotonic() - began
        after = server.look()
        asked = (s3.asked() if s3 else Counter[str]()) - asked
        used = fleet.processor_seconds() - processor
        memory = fleet.memory()
        warnings = fleet.warnings()
        rows = check(job, plan.items)
        traces = [Trace.read(member.trace, began) for member in fleet.members]
    own = {**watched.calls(), "hgetall": len(looks)}
    own["info"] += 1
    return {
        "plan": asdict(plan),
        "parts": job.spec.parts,
        "rows": rows,
        "started_in_s": round(started_in, 1),
        "submitted_in_s": round(submitted_in, 2),
        "seconds": round(seconds, 2),
        "items_per_second": round(plan.items / seconds, 1),
        "work": done(traces),
        "found_again": _found_again(traces, killed),
        "waits": _waits(traces, watched),
        "idle": idle,
        "broker": _broker(after.since(before, own), plan, job.spec.parts, empty, before, watched, max(looks)),
        "s3_requests_per_part": {what: round(count / job.spec.parts, 2) for what, count in asked.most_common()},
        "workers": {**memory, "processor_ms_per_item": round(used / plan.items * 1000, 3), "warnings": warnings},
    }


def _warm_up(client: Client, server: Redis, workers: int, output: str) -> None:
    """Has each worker do some parts; those that wait longest are served first."""
    job = client.submit(items(workers * 8), output=output, model=MODEL, part_size=2, cache=False)
    for _ in _followed(server, job):
        pass


def _idle(server: Redis, fleet: Fleet, seconds: float) -> dict[str, Any]:
    """Returns what workers without anything to do cost."""
    before, processor = server.look(), fleet.processor_seconds()
    time.sleep(seconds)
    told = server.look().since(before)
    workers = len(fleet.living())
    return {
        "seconds": round(told["seconds"], 2),
        "commands_per_second": _each(told["calls"], told["seconds"]),
        "commands_per_worker_second": round(sum(told["calls"].values()) / told["seconds"] / workers, 2),
        "redis_share_of_a_core": round(told["processor_seconds"] / told["seconds"], 4),
        "bytes_per_second": round((told["received"] + told["sent"]) / told["seconds"]),
        "worker_share_of_a_core": round((fleet.processor_seconds() - processor) / told["seconds"] / workers, 4),
        "clients": server.look().clients,
        "memory": fleet.memory(),
    }


def _followed(server: Redis, job: Job) -> Iterator[tuple[Reading, int]]:
    """Yields, now and then until the job has ended, how far it is, and how many fields its counters have."""
    key = JobKeys(job.folder.uri).counters
    last, since = -1, time.monotonic()
    while True:
        values: Any = server.client.hgetall(key)
        reading = reading_of(values)
        if reading is None or reading.error:
            raise SystemExit(f"the job stopped: {reading}")
        if reading.done != last:
            last, since = reading.done, time.monotonic()
        if time.monotonic() - since > _STALLED_SECONDS:
            raise SystemExit(f"nothing has happened for {_STALLED_SECONDS:.0f} s: {reading}")
        yield reading, len(values)
        if reading.finished:
            return
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Killed:
    """A worker that was killed."""

    name: str
    at: float


def _replace(fleet: Fleet, count: int) -> list[Killed]:
    """Kills the workers that have been there longest, and starts others."""
    doomed = fleet.living()[:count]
    fleet.kill(doomed)
    now = time.monotonic()
    fleet.start(len(doomed))
    return [Killed(member.trace.stem, now) for member in doomed]


def _found_again(traces: Sequence[Trace], killed: Sequence[Killed]) -> dict[str, Any]:
    """Returns how many parts killed workers had in work, and how many seconds later others began with them."""
    ended = {one.name: one.at for one in killed}
    begins: dict[int, list[float]] = {}
    for trace in traces:
        for when, part in trace.begins:
            begins.setdefault(part, []).append(when)
    lost = [(part, ended[trace.worker]) for trace in traces if trace.worker in ended for part in trace.unended()]
    later = [[when - at for when in begins[part] if when > at] for part, at in lost]
    # Killed between the end of a part and saying so, a worker has lost nothing: all rows are there.
    seconds = [min(each) for each in later if each]
    return {
        "killed": len(killed),
        "parts_in_work": len(seconds),
        "soonest_s": round(min(seconds), 1) if seconds else None,
        "latest_s": round(max(seconds), 1) if seconds else None,
    }


def _waits(traces: Sequence[Trace], watched: Watched) -> dict[str, Any]:
    """Returns for how long places, and whole workers, had no part while parts waited in the queue."""
    had_messages = filled(watched.lengths)
    return {
        "place_free": waits((span for trace in traces for span in trace.free()), had_messages),
        "worker_idle": waits((span for trace in traces for span in trace.idle()), had_messages),
        "looks": len(watched.lengths),
        "longest_queue": max(length for _, length in watched.lengths),
    }


def _broker(
    told: dict[str, Any],
    plan: Plan,
    parts: int,
    empty: Look,
    before: Look,
    watched: Watched,
    fields: int,
) -> dict[str, Any]:
    calls = told["calls"]
    total = sum(calls.values())
    peak = max(memory for _, memory in watched.memory)
    return {
        "commands": total,
        "commands_per_item": round(total / plan.items, 4),
        "commands_per_part": round(total / parts, 2),
        "commands_per_second": round(total / told["seconds"]),
        "by_command_per_part": {
            name: round(count / parts, 2) for name, count in calls.items() if count / parts > 0.005
        },
        "processor_us_per_item": round(told["processor_seconds"] / plan.items * 1e6, 1),
        "share_of_a_core": round(told["processor_seconds"] / told["seconds"], 3),
        "bytes_per_part": {way: round(told[way] / parts) for way in ("received", "sent")},
        "memory_mb": {
            "empty": _mb(empty.memory),
            "with_idle_workers": _mb(before.memory),
            "peak": _mb(peak),
            "of_the_job": _mb(peak - before.memory),
        },
        "counters_fields": fields,
    }


def _mb(size: int) -> float:
    return round(size / 1e6, 2)


def _each(calls: dict[str, int], seconds: float) -> dict[str, float]:
    return {name: round(count / seconds, 2) for name, count in calls.items()}
