"""Makes the pipeline of a process that finds this on its PYTHONPATH fail over certain questions, as a bug in a native
library does. Python loads it by its name, before anything else."""

from __future__ import annotations

import ctypes
import time
from typing import Any

from askpix.worker.vlm.batch import Batch

_real = Batch.begin


def _begin(self: Batch, run: Any) -> None:
    if "#crash" in run.job.prompt:
        ctypes.string_at(0)
    if "#hang" in run.job.prompt:
        time.sleep(3_600)
    _real(self, run)


Batch.begin = _begin  # type: ignore[method-assign]
