"""What a page sends with a question: it may name files of ours alone.

Gradio takes the files that a request names into its own folder, from which they can be fetched again; whether it looks
at where they are depends on how it was started.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

MOST_BYTES = 2_000_000
"""Of a question with all its settings and choices."""


def checked(body: bytes, is_ours: Callable[[str], bool]) -> bytes | None:
    """Returns what a page sends, written anew; None where it is no JSON, or names a file that is not ours.

    Args:
        is_ours: returns whether a file may be named.
    """
    try:
        value = json.loads(body)
        named = list(_paths(value))
        said = json.dumps(value, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return said if all(isinstance(path, str) and is_ours(path) for path in named) else None


def _paths(value: Any) -> Iterator[Any]:
    """Yields all that is called a path, however deep."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name == "path":
                yield one
            yield from _paths(one)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one)
