"""How fast long lists are submitted, and in how much memory: run `python bench/submit.py [ROWS]`.

Generates lists of the same rows (image URL, id, one more column) in every form, then reads each and submits each
in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1_000_000
FORMS = ("csv", "jsonl", "parquet", "txt")


def rows(count: int) -> Iterator[tuple[str, str, str]]:
    """Yields an image, an id and a price for each row."""
    for number in range(count):
        image = f"https://cdn.example.com/shop/images/{number % 997:03d}/{number:09d}.jpg"
        yield image, f"sku-{number:09d}", f"{number % 9973}.{number % 100:02d}"


def generate(path: Path, count: int) -> None:
    """Writes a list in the form that its name says."""
    if path.suffix == ".parquet":
        names = ["image", "id", "price"]
        table = pa.table([pa.array(values) for values in zip(*rows(count), strict=True)], names=names)
        pq.write_table(table, path, compression="zstd")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            csv.writer(file).writerows([("image", "id", "price")])
            csv.writer(file).writerows(rows(count))
        elif path.suffix == ".jsonl":
            file.writelines(
                json.dumps({"image": image, "id": id_, "price": float(price)}) + "\n"
                for image, id_, price in rows(count)
            )
        else:
            file.writelines(f"{image}\n" for image, _, _ in rows(count))


def measure(source: str, output: str | None) -> None:
    """Reads a list, and submits it where there is an output; prints what it took as JSON."""
    from askpix.producer.inputs import Input
    from askpix.producer.job_folder import JobFolder
    from askpix.producer.job_order import Order
    from askpix.producer.storage_opening import open_storage
    from askpix.producer.submission import write_job

    items = Input(source)
    started, used = time.perf_counter(), time.process_time()
    if output is None:
        count, parts = sum(1 for _ in items), 0
    else:
        folder = JobFolder(open_storage(output))
        spec = write_job(items, folder, Order(model="m"), base=items.base)
        count, parts = spec.items, spec.parts
    took = {
        "items": count,
        "parts": parts,
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - used,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(took))


def peak_mb() -> float:
    """Returns the most memory that this process has held."""
    # Unlike ru_maxrss, not that of the process that started this one. In kB.
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def in_child(source: Path, output: Path | None) -> dict[str, float]:
    """Returns what `measure` prints, called in a process of its own."""
    call = [sys.executable, __file__, "--measure", str(source), *([str(output)] if output else [])]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    took: dict[str, float] = json.loads(done.stdout)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=int, nargs="?", default=ROWS)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--measure", nargs="+", metavar="PATH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        source, output = [*options.measure, None][:2]
        measure(source, output)
        return
    print("| list | rows | read, rows/s | submitted, rows/s | processor, us/row | peak RSS, MB | parts |")
    print("|---|---|---|---|---|---|---|")
    for form in options.forms:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"list.{form}"
            generate(source, options.rows)
            read = in_child(source, None)
            took = in_child(source, Path(folder) / "job")
        assert read["items"] == took["items"] == options.rows
        figures = (
            f".{form}",
            f"{options.rows:,}",
            f"{options.rows / read['seconds']:,.0f}",
            f"{options.rows / took['seconds']:,.0f}",
            f"{took['processor'] / options.rows * 1e6:.1f}",
            f"{took['peak_mb']:.0f}",
            f"{took['parts']:,.0f}",
        )
        print(f"| {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
