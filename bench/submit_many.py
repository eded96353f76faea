"""What ten million rows take to submit, and to look at: run `make bench-submit-many [ARGS="--rows 10000000"]`.

Generates lists of three lengths (image URL, id, one more column), submits each with `askpix submit` to a folder and a
Redis server of its own, and tells of each: the most memory that the command held (VmHWM, read ten times a second), what
Redis held before, at the most and after, the time, and the job folder's size; and then, of the job that lies there,
how long a reading of its counters takes, `askpix status`, and counting it anew from its folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bench.blip.machine import described
from bench.fleet.redis_server import Redis
from bench.marked import put_between_marks
from bench.submit import rows

from askpix.producer.client import Client
from askpix.producer.followed import Job
from askpix.producer.items import Item
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import PART_SIZE
from askpix.producer.rows import Row, Status
from askpix.producer.standing import standing

ROWS = (10_000, 1_000_000, 10_000_000)
FORMS = ("csv", "parquet")
RESULTS = Path(__file__).parent / "results" / "submit-many.json"
MOST_MB, MOST_REDIS_MB = 400, 10
"""That submitting may take, and the job in Redis."""

_HEAD = "| list | rows | rows/s | peak, MB | Redis, MB | folder, MB | reading, ms | status, s | from folder, s |"
_MODEL = "nobody-serves-it"
_ASKPIX = Path(sys.executable).with_name("askpix")
_CHUNK = 100_000
_READINGS = 50
_LOOK_SECONDS = 0.1
_WATCH_SECONDS = 8.0


def generate(path: Path, count: int) -> None:
    """Writes a list, in the form that its name says, a chunk at a time."""
    names, each = ("image", "id", "price"), rows(count)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(names)
            csv.writer(file).writerows(each)
        return
    with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in names]), compression="zstd") as writer:
        while chunk := list(islice(each, _CHUNK)):
            writer.write_table(pa.table([pa.array(values) for values in zip(*chunk, strict=True)], names=names))


def measure(
    form: str, count: int, folder: Path, *, watched: bool, results: bool, window: int = 2_000
) -> dict[str, Any]:
    """Returns the figures of one list.

    Args:
        watched: whether it is watched for some seconds too.
        results: whether the folder is counted with all its results, which takes long.
    """
    source, job_folder = folder / f"list.{form}", folder / "job"
    generate(source, count)
    with Redis(folder) as server:
        before = server.look()
        with Samples(server) as samples:
            began = time.perf_counter()
            command = [_ASKPIX, "submit", source, "--output", job_folder, "--model", _MODEL, "--broker", server.url]
            command += ["--max-queued", str(window)]
            process = _started(command, folder)
            peak = samples.follow(process)
            seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"askpix submit ended with {process.returncode}: {(folder / 'said').read_text()}")
        after = server.look()
        with Client(server.url) as client:
            job = client.job(str(job_folder))
            spec = job.spec
            keys = {name: _size_of(server, name) for name in server.client.scan_iter("askpix:*")}
            figures = {
                "form": form,
                "rows": count,
                "parts": spec.parts,
                "list_mb": _mb(source.stat().st_size),
                "seconds": round(seconds, 2),
                "rows_per_second": round(count / seconds),
                "peak_mb": round(peak / 1024, 1),
                "redis_mb": {
                    "before": _mb(before.memory),
                    "peak": _mb(max(samples.memory)),
                    "after": _mb(after.memory),
                    "keys": {name.rpartition(":")[2] if "job:" in name else name: size for name, size in keys.items()},
                },
                "redis_commands": sum(after.since(before, {"info": len(samples.memory)})["calls"].values()),
                "queued": int(server.client.llen(f"askpix:{_MODEL}")),  # type: ignore[arg-type]
                "folder_mb": _mb(sum(entry.stat().st_size for entry in os.scandir(job_folder / "input"))),
                "reading_ms": _median_ms(job.progress),
                "reading_commands": _commands(server, job),
                "status_s": _status(job_folder, server.url),
                "standing_without_results_s": _seconds(lambda: standing(job.folder, spec)),
            }
            if watched:
                figures["watch_mb"] = _watched(job_folder, server.url, folder)
            if results:
                _finish(job.folder, count)
                figures["standing_with_results_s"] = _seconds(lambda: standing(job.folder, spec))
                figures["listing_results_s"] = _seconds(job.folder.results)
    return figures


class Samples:
    """Looks at a process and at a Redis server ten times a second."""

    def __init__(self, server: Redis) -> None:
        self._server = server
        self.memory: list[int] = []
        """Bytes that the server held."""

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, *_: object) -> None: ...

    def follow(self, process: subprocess.Popen[bytes]) -> int:
        """Waits for a process' end; returns the most kilobytes that it has held."""
        peak = 0
        while process.poll() is None:
            info: Any = self._server.client.info("memory")
            self.memory.append(int(info["used_memory"]))
            peak = max(peak, _held(process, "VmHWM"))
            time.sleep(_LOOK_SECONDS)
        return peak


def _held(process: subprocess.Popen[bytes], what: str) -> int:
    try:
        found = re.search(rf"^{what}:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _started(command: list[Any], folder: Path) -> subprocess.Popen[bytes]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ASKPIX_", "CELERY_"))}
    with (folder / "said").open("wb") as file:
        return subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**own, "TMPDIR": str(folder), "SQLITE_TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )


def _size_of(server: Redis, key: str) -> int:
    size: Any = server.client.memory_usage(key, samples=0)
    return int(size or 0)


def _median_ms(reading: Callable[[], object]) -> float:
    """Returns the median of some calls, in milliseconds."""
    return round(statistics.median(_seconds(reading) for _ in range(_READINGS)) * 1000, 3)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return round(time.perf_counter() - began, 6)


def _commands(server: Redis, job: Job) -> dict[str, int]:
    """Returns which commands Redis runs for a reading of a job's progress."""
    before = server.look()
    job.progress()
    calls: dict[str, int] = server.look().since(before)["calls"]
    return calls


def _status(job_folder: Path, url: str) -> float:
    """Returns the seconds of `askpix status`, its start included."""
    command = [_ASKPIX, "status", job_folder, "--json", "--broker", url]
    return round(_seconds(lambda: subprocess.run(command, check=True, capture_output=True)), 2)


def _watched(job_folder: Path, url: str, folder: Path) -> float:
    """Returns the most megabytes that `askpix watch` holds in its first seconds."""
    process = _started([_ASKPIX, "watch", job_folder, "--broker", url], folder)
    try:
        ends, peak = time.monotonic() + _WATCH_SECONDS, 0
        while process.poll() is None and time.monotonic() < ends:
            peak = max(peak, _held(process, "VmHWM"))
            time.sleep(_LOOK_SECONDS)
    finally:
        process.terminate()
        process.wait(10)
    return round(peak / 1024, 1)


def _finish(folder: JobFolder, count: int) -> None:
    """Gives each part a result: one file, by as many names as there are parts of its length."""

    def row(number: int) -> Row:
        item = Item(image=f"https://cdn.example.com/{number}.jpg", id=f"{number}")
        known = {"model": _MODEL, "fingerprint": "0", "precision": "none", "device": "CPU", "seconds": 0.0}
        return Row(id=str(item.id), image=item.image, status=Status.OK, answers=(), attempts=1, **known)  # type: ignore[arg-type]

    parts, last = divmod(count, PART_SIZE)
    results = Path(folder.uri) / "results"
    for part, length in ((0, PART_SIZE if parts else 0), (parts, last)):
        if length:
            folder.write_result(part, map(row, range(length)))
    for part in range(1, parts):
        os.link(results / "part-000000.parquet", results / f"part-{part:06d}.parquet")


def _mb(size: float) -> float:
    return round(size / 1e6, 2)


def _lengths(most: int) -> Iterator[int]:
    yield from (length for length in ROWS if length < most)
    yield most


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS[-1], help="of the longest list")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary files go; 10 GB")
    options = parser.parse_args()
    told, lines = [], [_HEAD, "|---|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines))
    for form in options.forms:
        for count in _lengths(options.rows):
            with ExitStack() as stack:
                temporary = tempfile.TemporaryDirectory(prefix="askpix-submit-", dir=options.folder)
                folder = Path(stack.enter_context(temporary))
                figures = measure(form, count, folder, watched=True, results=form == options.forms[0])
            told.append(figures)
            job_mb = figures["redis_mb"]["peak"] - figures["redis_mb"]["before"]
            counted = figures.get("standing_with_results_s", figures["standing_without_results_s"])
            cells = (
                f".{form} | {count:,} | {figures['rows_per_second']:,} | {figures['peak_mb']:.0f} | {job_mb:.2f}",
                f"{figures['folder_mb']:,.0f} | {figures['reading_ms']:.2f} | {figures['status_s']:.2f}",
                f"{counted:.2f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if options.rows == ROWS[-1] and set(options.forms) == set(FORMS):
        RESULTS.write_text(json.dumps({"machine": described(), "lists": told}, indent=1) + "\n")
        put_between_marks(Path(__file__).with_name("README.md"), "many", "\n".join(lines))
    for figures in told:
        job_mb = figures["redis_mb"]["peak"] - figures["redis_mb"]["before"]
        if figures["peak_mb"] > MOST_MB or job_mb > MOST_REDIS_MB:
            raise SystemExit(f"{figures['form']} of {figures['rows']:,} rows takes too much: {figures}")


if __name__ == "__main__":
    main()
