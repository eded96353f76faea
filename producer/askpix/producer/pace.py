"""How fast something goes, and when it will be done: from looks at how much of it was done by when."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_WINDOW_SECONDS = 300.0
"""That count. What was faster or slower before is not what will come."""

_APART_SECONDS = 1.0
"""Between two looks that are kept."""

_STRETCHES = 12
"""Into which the window is cut, to see how much the speed varies."""

_FEW = 5
"""Stretches below which nothing is said of that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What the last minutes tell."""

    rate: float
    """Items a second, 0 or more."""

    seconds: float | None
    """Until all is done, at this rate; None where nothing goes on."""

    soonest: float | None = None
    latest: float | None = None
    """The same at the rate of the faster and the slower stretches (the upper and the lower fifth of them); None while
    there are too few, and `latest` also where nothing came in the slower ones."""


class Pace:
    """Looks at one count that grows."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()
        self._begun = False
        """Whether anything has come since the first look."""

    def look(self, now: float, done: int) -> None:
        """Takes a look.

        Args:
            now: in seconds, by any clock that goes on evenly.
            done: items; fewer than at the last look where the count began anew.
        """
        looks = self._looks
        if looks and done < looks[-1][1]:
            looks.clear()
            self._begun = False
        # Neither what passes before the first items come, models being loaded, say, nor these, for which nobody knows
        # how long they took, tell of the speed: items may come in bursts.
        if len(looks) == 1 and not self._begun:
            self._begun = done != looks[0][1]
            looks[0] = (now, done)
            return
        # The last look is the newest, whenever that was: one that came too early gives its place to the next.
        if len(looks) >= 2 and now - looks[-2][0] < _APART_SECONDS:
            looks.pop()
        looks.append((now, done))
        while now - looks[0][0] > _WINDOW_SECONDS and len(looks) > 2:
            looks.popleft()

    def rate(self) -> float:
        """Returns items a second."""
        if len(self._looks) < 2:
            return 0.0
        (began, before), (now, done) = self._looks[0], self._looks[-1]
        return (done - before) / (now - began) if now > began else 0.0

    def estimate(self, left: int) -> Estimate:
        """Returns how long so many items will take."""
        rate = self.rate()
        if rate <= 0:
            return Estimate(rate=0.0, seconds=0.0 if left == 0 else None)
        rates = self._rates()
        slow, fast = _fifth(rates, 0.2), _fifth(rates, 0.8)
        if len(rates) < _FEW or fast <= 0:
            return Estimate(rate=rate, seconds=left / rate)
        return Estimate(
            rate=rate,
            seconds=left / rate,
            soonest=min(left / fast, left / rate),
            latest=max(left / slow, left / rate) if slow > 0 else None,
        )

    def _rates(self) -> list[float]:
        """Returns the rates of stretches of about the same length, the slowest first."""
        began, ended = self._looks[0][0], self._looks[-1][0]
        long = max((ended - began) / _STRETCHES, _APART_SECONDS)
        rates, (start, before) = [], self._looks[0]
        for now, done in self._looks:
            if now - start >= long:
                rates.append((done - before) / (now - start))
                start, before = now, done
        return sorted(rates)


def _fifth(rates: list[float], part: float) -> float:
    """Returns what so great a part of the sorted rates is below, with a straight line between two of them."""
    if not rates:
        return 0.0
    at = part * (len(rates) - 1)
    low = int(at)
    high = min(low + 1, len(rates) - 1)
    return rates[low] + (at - low) * (rates[high] - rates[low])
