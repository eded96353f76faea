"""JSON schemas that the pipeline fails on: it takes no grammar of some valid ones, and is built anew after each try."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 3
_KEPT = 256

_SECONDS = 600.0
"""After which such a schema is tried once more: it may have been the machine's fault."""


class FailingSchemas:
    """Counts how often the pipeline failed on a request that was alone, by its schema, and never answered one.

    Args:
        clock: tells the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, tuple[int, float, str]] = {}
        """Of a schema: how many, when the last one was, and what was said."""

    def failed(self, schema: str, reason: str) -> None:
        """Takes note of why the pipeline failed; of the schemas that failed last, 256 are kept."""
        tries, _, _ = self._failures.pop(schema, (0, 0.0, ""))
        self._failures[schema] = (tries + 1, self._clock(), reason)
        if len(self._failures) > _KEPT:
            del self._failures[next(iter(self._failures))]

    def answered(self, schema: str) -> None:
        """Forgets what failed with a schema: it was not the schema's fault."""
        self._failures.pop(schema, None)

    def why(self, schema: str) -> str | None:
        """Returns why a schema is not to be tried now; None where it is."""
        tries, when, reason = self._failures.get(schema, (0, 0.0, ""))
        return reason if tries >= _TRIES and self._clock() - when < _SECONDS else None
