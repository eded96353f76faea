"""Times as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns a time in one or two units, such as 9 s, 4 min, 1 h 20 min or 2 d 3 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def rate(per_second: float) -> str:
    """Returns a rate with two or three figures, such as 0.052/s, 6.2/s or 1,240/s."""
    if per_second >= 99.95:
        return f"{per_second:,.0f}/s"
    if per_second >= 0.995:
        return f"{per_second:.1f}/s"
    return f"{per_second:.2g}/s"
