"""What galleries cost: run `python bench/gallery.py [ITEMS ...] [--output FILE]`.

Writes job folders of so many items, each with an image of its own on disk, and their galleries; then opens these from
the disk in Chromium and clicks, types and sorts in them as a person would, while the browser tells how long it was kept
busy at a stretch.
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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from blip.machine import described
from PIL import Image
from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from helpers.browser import browser, watched  # noqa: E402 - the tests' own
from helpers.galleries import PictureFile, picture_file, shop_rows, write_job  # noqa: E402

RESULTS = ROOT / "bench" / "results" / "gallery.json"
SIZES = (200, 20_000, 100_000)
SIDE = 320
"""Pixels of an image."""

ROUNDS = 5
"""Of the browser, of which the median is told."""

_WORDS = ("striped wall", "item-000123", "shiny", "no such thing")
_VALUES = (("color", "red"), ("color", "blue"), ("product", "mug"), ("Status", "failed"), ("Status", "answered"))

_HEADS = (
    "items", "written without pictures, s", "with pictures, s", "MB", "files", "first grid, ms", "all texts, ms",
    "filter, ms", "longest task", "a letter typed, ms", "longest task", "sort, ms", "heap, MB",
)  # fmt: skip

# Kept by the page from its beginning: how long each task took that took more than 50 ms, as the browser counts.
_WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => list.getEntries().forEach((one) => longTasks.push(one.duration)))
  .observe({ type: "longtask", buffered: true });
"""

_LONGEST = "() => { const most = Math.max(0, ...longTasks); longTasks.length = 0; return most; }"


def images(folder: Path, count: int) -> Iterator[PictureFile]:
    """Writes so many JPEG images, each another shift of a demo picture."""
    pictures = []
    for path in sorted((ROOT / "demo" / "images").glob("*.jpg")):
        with Image.open(path) as image:
            pictures.append(np.asarray(image.resize((SIDE, SIDE))))
    for number in range(count):
        turn, which = divmod(number, len(pictures))
        data = io.BytesIO()
        Image.fromarray(np.roll(pictures[which], (turn % SIDE, turn // SIDE), (0, 1))).save(data, "JPEG", quality=85)
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(data.getvalue())
        yield picture_file(path, (SIDE, SIDE))


def written(job: Path, target: Path, *options: str) -> dict[str, Any]:
    """Returns what writing a gallery took, in a process of its own, and what came of it."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "askpix.cli.entry", "report", str(job), "--to", str(target), *options]
    subprocess.run(command, check=True, cwd=job.parent, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    return {
        "seconds": round(seconds, 2),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 2),
        "files": len(files),
    }


def opened(address: str) -> dict[str, float]:
    """Returns milliseconds from going to a gallery to its first grid and to its last text, and how it answers."""
    with browser() as chrome, watched(chrome) as seen:
        page = seen.page
        page.add_init_script(_WATCH)
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_selector("html[data-ready] .card")
        grid = time.perf_counter() - started
        page.wait_for_selector("html[data-ready=all]", timeout=120_000)
        everything = time.perf_counter() - started
        page.wait_for_timeout(200)
        figures = {"grid": grid * 1_000, "texts": everything * 1_000, "longest_task_opening": page.evaluate(_LONGEST)}
        figures |= {f"filter_{name}": value for name, value in filtered(page).items()}
        figures |= {f"search_{name}": value for name, value in searched(page).items()}
        figures |= {f"sort_{name}": value for name, value in sorted_(page).items()}
        figures["heap_megabytes"] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        assert not seen.errors, seen.errors
    return {name: round(value, 1) for name, value in figures.items()}


def filtered(page: Page) -> dict[str, float]:
    took = []
    for name, value in _VALUES:
        facet = page.locator("details.facet").filter(has=page.locator("summary", has_text=name)).first
        box = facet.get_by_role("checkbox", name=value)
        if box.count():
            took.append(page.evaluate(_TIMED % "box.click()", box.element_handle()))
    page.wait_for_timeout(100)
    longest = page.evaluate(_LONGEST)
    page.get_by_role("button", name="Clear all", exact=True).click()
    page.wait_for_timeout(100)
    return {"slowest": max(took), "longest_task": longest}


def searched(page: Page) -> dict[str, float]:
    """Types words letter by letter; each letter is another question."""
    page.evaluate(_LONGEST)
    search = page.locator("#search")
    took = []
    for words in _WORDS:
        for end in range(1, len(words) + 1):
            set_value = f"box.value = {json.dumps(words[:end])}; box.dispatchEvent(new Event('input'))"
            took.append(page.evaluate(_TIMED % set_value, search.element_handle()))
    page.wait_for_timeout(100)
    longest = page.evaluate(_LONGEST)
    search.fill("")
    page.wait_for_timeout(100)
    return {"slowest": max(took), "median": statistics.median(took), "longest_task": longest}


def sorted_(page: Page) -> dict[str, float]:
    page.evaluate(_LONGEST)
    took = []
    for value in ("low", "high", "slow", "failed", "id"):
        change = f"box.value = '{value}'; box.dispatchEvent(new Event('change'))"
        took.append(page.evaluate(_TIMED % change, page.locator("#sort").element_handle()))
    page.wait_for_timeout(100)
    return {"slowest": max(took), "longest_task": page.evaluate(_LONGEST)}


# Milliseconds from a change until the cards that come of it are in the page, and it is drawn.
_TIMED = """(box) => new Promise((resolve) => {
  const started = performance.now();
  const watch = new MutationObserver(() => {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - started)));
  });
  watch.observe(document.getElementById("grid"), { childList: true, attributes: true });
  %s;
})"""


def measure(count: int, folder: Path) -> dict[str, Any]:
    """Returns the figures of a gallery of so many items."""
    pictures = folder / "pictures"
    pictures.mkdir()
    write_job(folder / "job", shop_rows(count, list(images(pictures, count))), items=count)
    target = folder / ("gallery.html" if count <= 2_000 else "gallery")
    without = written(folder / "job", target, "--no-thumbnails")
    whole = written(folder / "job", target, "--force")
    index = target if target.is_file() else target / "index.html"
    rounds = [opened(index.as_uri()) for _ in range(ROUNDS)]
    milliseconds = {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
    # Others may have been at work on this machine.
    load = round(os.getloadavg()[0], 1)
    return {
        "items": count,
        "load": load,
        "without_thumbnails": without,
        "with_thumbnails": whole,
        "browser": milliseconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("items", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--output", type=Path, default=None, help=f"where figures go as JSON ({RESULTS.name})")
    options = parser.parse_args()
    sizes = []
    print(f"| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|")
    for count in options.items:
        with tempfile.TemporaryDirectory(prefix="askpix-bench-") as folder:
            figures = measure(count, Path(folder))
        sizes.append(figures)
        seen, whole = figures["browser"], figures["with_thumbnails"]
        cells = [
            f"{count:,}", figures["without_thumbnails"]["seconds"], whole["seconds"],
            whole["megabytes"], f"{whole['files']:,}",
            seen["grid"], seen["texts"], seen["filter_slowest"], seen["filter_longest_task"],
            seen["search_slowest"], seen["search_longest_task"], seen["sort_slowest"], seen["heap_megabytes"],
        ]  # fmt: skip
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    output = options.output or (RESULTS if set(options.items) <= set(SIZES) else None)
    if output is not None:
        # Those of other sizes stay.
        before = json.loads(output.read_text())["sizes"] if output.exists() else []
        merged = {one["items"]: one for one in (*before, *sizes)}
        told = {"machine": described(), "sizes": [merged[count] for count in sorted(merged)]}
        output.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
