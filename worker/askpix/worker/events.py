"""Celery's events, for Flower and its like: that a worker lives, and that a task came, began and ended.

They say nothing of what a task was given: the intake drops the arguments as their sender wrote them for people's eyes,
in which a signed URL or a whole image may stand. Nor do they say what came of it.
"""

from __future__ import annotations

import time
from typing import Any

from celery.events.dispatcher import EventDispatcher
from celery.exceptions import Ignore
from celery.worker.request import Request

DISPATCHER = f"{__name__}:Dispatcher"
"""What a Celery app takes for its `events.dispatcher_cls`."""


class Dispatcher(EventDispatcher):  # type: ignore[misc]
    """Sends each event at once. Celery would gather those of tasks, and lose some where two threads tell of theirs."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{**named, "buffer_group": None})


class SettledError(Ignore):  # type: ignore[misc]
    """The end of a task whose result is stored already.

    Args:
        problem: why there is no answer.
    """

    def __init__(self, problem: BaseException | None = None) -> None:
        super().__init__()
        self.problem = problem


class SettledRequest(Request):  # type: ignore[misc]
    """A task in work that tells of its end also where it was settled: Celery itself keeps quiet of what it ignores."""

    def on_failure(self, exc_info: Any, *arguments: Any, **named: Any) -> Any:
        ended = super().on_failure(exc_info, *arguments, **named)
        # Celery wraps an exception that has a traceback, in most of its versions.
        settled = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(settled, SettledError):
            if settled.problem is None:
                self.send_event("task-succeeded", result="", runtime=time.time() - self.time_start)
            else:
                self.send_event("task-failed", exception=type(settled.problem).__name__, traceback="")
        return ended
