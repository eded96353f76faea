"""Puts figures into pages, between marks: `<!-- NAME -->` and `<!-- end of NAME -->`."""

from __future__ import annotations

from pathlib import Path


def put_between_marks(page: Path, name: str, text: str) -> None:
    """Replaces what a page has between its marks; raises ValueError where it has none."""
    whole = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, there, rest = whole.partition(begin)
    _, there_too, after = rest.partition(end)
    if not there or not there_too:
        raise ValueError(f"{page} has no place for {name}")
    page.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")
