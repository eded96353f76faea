"""A worker of the fleet: `askpix worker` with the stand-in for an engine, and a trace of the parts that it has.

    python -m bench.fleet.worker MILLISECONDS TRACE worker --storage-root ...

All else is the real thing. The trace has a line for each beginning and end of a part, written at once, so that a
worker that is killed leaves it: `begin` or `end`, nanoseconds of the system's monotonic clock, the part, and how it
ended.
"""

from __future__ import annotations

import os
import sys
import time
from functools import wraps
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from bench.fleet.stand_in import StandIn

from askpix.cli import worker
from askpix.cli.entry import main as askpix
from askpix.producer.messages import PartMessage
from askpix.worker.engine.base import Engine
from askpix.worker.part import PartRunner


def main() -> None:
    seconds, trace = float(sys.argv[1]) / 1000, Path(sys.argv[2])
    del sys.argv[1:3]

    @wraps(worker.build_engine)
    def build_engine(*_: Any, **__: Any) -> Engine:
        return StandIn(seconds)

    # As where just what `askpix[worker]` takes is installed: Arrow loads pandas where it is there, which is 55 MB.
    sys.meta_path.insert(0, _Without("pandas"))
    worker.build_engine = build_engine
    _trace_parts(os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    askpix()


class _Without(MetaPathFinder):
    """Has a package not be there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:  # noqa: ARG002 - as in the base class
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {self._name!r}", name=self._name)


def _trace_parts(file: int) -> None:
    run = PartRunner.run

    def note(what: str, message: PartMessage, how: str = "") -> None:
        os.write(file, f"{what} {time.monotonic_ns()} {message.part} {how}\n".encode())

    @wraps(run)
    def traced(self: PartRunner, message: PartMessage) -> bool:
        how = "raised"
        note("begin", message)
        try:
            taken = run(self, message)
            how = "done" if taken else "elsewhere"
            return taken
        finally:
            note("end", message, how)

    PartRunner.run = traced  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
