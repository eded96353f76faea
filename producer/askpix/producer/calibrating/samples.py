"""Examples in parts, each of which is left out once; and whether a gain on those left out is more than chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from askpix.producer.calibrating.descent import Numbers

FOLDS = 5


def folds(count: int) -> list[npt.NDArray[np.intp]]:
    """Returns the places of examples in FOLDS parts, the same ones each time."""
    order = np.random.default_rng(0).permutation(count)
    return [order[fold::FOLDS] for fold in range(FOLDS)]


def beyond_chance(gains: Numbers) -> bool:
    """Returns whether the mean is more than its standard error above 0; else it would change with the next examples."""
    return bool(gains.mean() > gains.std() / len(gains) ** 0.5)
