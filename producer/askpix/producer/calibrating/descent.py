"""Finds where a smooth function of few numbers is least."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_STEPS = 200


def descended(cost: Callable[[Numbers], tuple[float, Numbers]], start: Numbers) -> Numbers:
    """Returns where a smooth function is least, by the method of Broyden, Fletcher, Goldfarb and Shanno."""
    at, (value, slope) = start, cost(start)
    inverse = np.eye(len(start)) / max(1.0, float(np.abs(slope).max()))
    for _ in range(_STEPS):
        if np.abs(slope).max() < 1e-6 * max(1.0, abs(value)):
            break
        way = -inverse @ slope
        if way @ slope >= 0:
            inverse = np.eye(len(start)) / max(1.0, float(np.abs(slope).max()))
            way = -inverse @ slope
        way *= min(1.0, 5 / max(float(np.abs(way).max()), 1e-12))
        length = 1.0
        while (new := cost(at + length * way))[0] > value + 1e-4 * length * float(way @ slope):
            length /= 2
            if length < 1e-10:
                return at
        step, turn = length * way, new[1] - slope
        at, (value, slope) = at + step, new
        inverse = _updated(inverse, step, turn)
    return at


def _updated(inverse: Numbers, step: Numbers, turn: Numbers) -> Numbers:
    bend = float(step @ turn)
    if bend <= 1e-12:
        return inverse
    turned = inverse @ turn
    changed: Numbers = (
        inverse
        + np.outer(step, step) * (1 + float(turn @ turned) / bend) / bend
        - (np.outer(turned, step) + np.outer(step, turned)) / bend
    )
    return changed
