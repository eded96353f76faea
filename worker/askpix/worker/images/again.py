"""When an image that could not be fetched is asked for once more, by the same worker and within the item's time."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from askpix.worker.item_errors import ItemError

TRIES = 4
_FIRST_SECONDS = 1.0

_AGAIN = frozenset(
    ("connection_failed", "cut_short", "timeout", *(f"http_{status}" for status in (408, 425, 429, 500, 502, 503, 504)))
)
"""What often passes in seconds. An image that is not there, or no image, is asked for once."""


def pause_before_next(problem: ItemError, tries: int, spent: float, limit: float) -> float | None:
    """Returns for how many seconds to wait before the next try; None where none is worth it.

    Args:
        problem: why the last try failed.
        tries: that were made.
        spent: seconds since the first began.
        limit: seconds in which all must be over.
    """
    if problem.code not in _AGAIN or tries >= TRIES:
        return None
    # As others wait too, and not all at once.
    pause = _FIRST_SECONDS * 2 ** (tries - 1) * random.uniform(0.5, 1.5)
    pause = max(pause, problem.after or 0.0)
    # What just took long will take as long again.
    return pause if spent + pause + spent / tries <= limit else None


def seconds_until(value: str | None, now: datetime | None = None) -> float | None:
    """Returns what a Retry-After header asks to wait, in seconds: it is a number of them, or a date."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0)
