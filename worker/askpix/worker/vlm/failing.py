"""JSON schemas that the pipeline fails on: it takes no grammar of some valid ones, and is built anew after each try."""

from __future__ import annotations

_TRIES = 3
_KEPT = 256


class FailingSchemas:
    """Counts how often the pipeline failed on a request that was alone, by its schema, and never answered one."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def failed(self, schema: str, reason: str) -> None:
        """Takes note of why the pipeline failed; of the schemas that failed last, 256 are kept."""
        self._tries[schema] = self._tries.pop(schema, 0) + 1
        self._reasons[schema] = reason
        if len(self._tries) > _KEPT:
            oldest = next(iter(self._tries))
            del self._tries[oldest], self._reasons[oldest]

    def answered(self, schema: str) -> None:
        """Forgets what failed with a schema: it was not the schema's fault."""
        self._tries.pop(schema, None)
        self._reasons.pop(schema, None)

    def why(self, schema: str) -> str | None:
        """Returns why a schema is not to be tried again; None where it is."""
        return self._reasons[schema] if self._tries.get(schema, 0) >= _TRIES else None
