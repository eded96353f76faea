"""Has a process that finds this on its PYTHONPATH end by SIGKILL before the write of the number TEST_DIES_BEFORE: of a
file, or of anything to Redis. Python loads it by its name, before anything else."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

from redis.connection import AbstractConnection

from askpix.producer.storage import LocalStorage

_DIES_BEFORE = int(os.environ["TEST_DIES_BEFORE"])
_numbers = itertools.count(1)


def _counted(write: Callable[..., Any]) -> Callable[..., Any]:
    def counting(*arguments: Any, **named: Any) -> Any:
        if next(_numbers) == _DIES_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(*arguments, **named)

    return counting


for _owner, _names in {
    LocalStorage: ("write", "create", "settle", "remove"),
    AbstractConnection: ("send_packed_command",),
}.items():
    for _name in _names:
        setattr(_owner, _name, _counted(getattr(_owner, _name)))
