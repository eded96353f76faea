"""Makes the pipeline of a process that finds this on its PYTHONPATH fail over certain questions, as a bug in a native
library does; and lets no two pipelines be at a time, as where there is memory for one. Python loads it by its name,
before anything else."""

from __future__ import annotations

import ctypes
import fcntl
import os
import time
from typing import Any

from askpix.worker.vlm.batch import Batch

_real_init, _real_begin, _real_close = Batch.__init__, Batch.begin, Batch.close
_held: dict[int, int] = {}


def _init(self: Batch, *arguments: Any) -> None:
    file = os.open(os.environ["ASKPIX_TESTS_ONE_PIPELINE"], os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise RuntimeError("there is no memory for two") from None
    _held[id(self)] = file
    _real_init(self, *arguments)


def _begin(self: Batch, run: Any) -> None:
    if "#crash" in run.request.prompt:
        ctypes.string_at(0)
    if "#hang" in run.request.prompt:
        time.sleep(3_600)
    _real_begin(self, run)


def _close(self: Batch) -> None:
    _real_close(self)
    os.close(_held.pop(id(self)))


Batch.__init__ = _init  # type: ignore[method-assign]
Batch.begin = _begin  # type: ignore[method-assign]
Batch.close = _close  # type: ignore[method-assign]
