"""Puts results into the pages that show them, between two marks each."""

from __future__ import annotations

import re
from pathlib import Path

from bench.blip import ROOT
from bench.blip.machine import remark
from bench.blip.results import Memory, Results
from bench.blip.table import readme_table, table
from bench.plots import RESULTS, draw

BLIP, MEMORY = RESULTS / "blip.json", RESULTS / "memory.json"
_PLOT = RESULTS / "blip.svg"

_BEGIN, _END = "<!-- speed, as `make bench` measured it -->", "<!-- end of speed -->"


def update_pages() -> None:
    """Draws the results that are kept, and tells them in both READMEs."""
    results = Results.read(BLIP)
    memory = Memory.read(MEMORY) if MEMORY.exists() else None
    draw("blip", *(("memory",) if memory else ()))
    cpu, date = results.machine["cpu"], results.machine["date"][:10]
    about = f"Medians of {len(results.rounds)} rounds on {cpu}, {date}. {remark(results.machine)}"
    replace_between_marks(
        ROOT / "README.md", f"![How fast]({_PLOT.relative_to(ROOT)})\n\n{readme_table(results)}\n\n{about}"
    )
    replace_between_marks(ROOT / "bench" / "README.md", f"```text\n{table(results, memory)}\n```")


def replace_between_marks(page: Path, text: str) -> None:
    """Replaces what a page has between its marks; raises ValueError where it has none."""
    before = page.read_text(encoding="utf-8")
    marked = re.compile(f"(?<={re.escape(_BEGIN)}\n).*?(?={re.escape(_END)})", re.DOTALL)
    if not marked.search(before):
        raise ValueError(f"{page} has no place for the results: {_BEGIN} and {_END}")
    page.write_text(marked.sub(lambda _: f"{text}\n", before, count=1), encoding="utf-8")
