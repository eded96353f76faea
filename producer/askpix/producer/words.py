"""Words that depend on a number."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Returns a number of things: `1 part`, `2 parts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
