"""What log lines are about: the job, part, round and item that a thread has in work.

A thread begins with nothing, whoever started it. So what is handed to another thread takes along what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from structlog.contextvars import bound_contextvars, get_contextvars

P = ParamSpec("P")
T = TypeVar("T")

FIELDS = ("replica", "task", "job", "part", "round", "item", "items")
"""What a line may be about, in the order in which it is shown."""

_MOST = 8
"""Items that a line names; of more, it says how many."""


def about(**what: Any) -> AbstractContextManager[Any]:
    """Has the lines that are logged within a block say what they are about; see `FIELDS`."""
    return bound_contextvars(**what)


def subject() -> dict[str, Any]:
    """Returns what lines that are logged here are about."""
    return get_contextvars()


def carried(function: Callable[P, T]) -> Callable[P, T]:
    """Returns a function for another thread, whose lines are about the same as they would be here."""
    context = copy_context()

    def run(*arguments: P.args, **named: P.kwargs) -> T:
        # A copy: one context cannot be entered twice at a time.
        return context.copy().run(partial(function, *arguments, **named))

    return run


def about_items(ids: Sequence[Any]) -> dict[str, Any]:
    """Returns what lines on some items say of them: `item` of one, `items` of several."""
    if len(ids) == 1:
        return {"item": str(ids[0])}
    more = [f"and {len(ids) - _MOST} more"] if len(ids) > _MOST else []
    return {"items": [str(one) for one in ids[:_MOST]] + more} if ids else {}


def concerning(contexts: Iterable[Context]) -> dict[str, Any]:
    """Returns what a line is about that concerns what was begun in several contexts, as an engine's batch does: what
    all have in common, and their items."""
    subjects = [context.copy().run(get_contextvars) for context in contexts]
    common = {
        name: value
        for name, value in (subjects[0] if subjects else {}).items()
        if name not in ("item", "items") and all(other.get(name) == value for other in subjects)
    }
    items: dict[str, None] = {}
    for one in subjects:
        items.update(dict.fromkeys([one["item"]] if "item" in one else one.get("items", ())))
    return {**common, **about_items(list(items))}
