"""How what is fitted, the logarithm of an inverse temperature and shifts, becomes numbers of a sheet, in its bounds."""

from __future__ import annotations

import numpy as np

from askpix.producer.calibrating.descent import Numbers

LEAST = 1e-300
"""As in judging: a probability of 0 has no logarithm."""

_COLDEST, _HOTTEST = 0.02, 100.0
_FARTHEST = 99.0
_DIGITS = 4


def logs_of(probabilities: Numbers) -> Numbers:
    """Returns logarithms, of 0 too."""
    logs: Numbers = np.log(np.maximum(probabilities, LEAST))
    return logs


def log_odds_of(probabilities: Numbers) -> Numbers:
    """Returns the logarithms of what is likely to what is not, of 0 and 1 too."""
    return logs_of(probabilities) - logs_of(1 - probabilities)


def scale_of(steepness: float) -> float:
    """Returns the inverse temperature of its logarithm."""
    return float(np.exp(np.clip(steepness, -np.log(_HOTTEST), -np.log(_COLDEST))))


def temperature_of(steepness: float) -> float:
    """Returns a temperature as a sheet has it."""
    return round(float(np.clip(np.exp(-steepness), _COLDEST, _HOTTEST)), _DIGITS)


def shift_of(found: float) -> float:
    """Returns a shift as a sheet has it."""
    return round(float(np.clip(found, -_FARTHEST, _FARTHEST)), _DIGITS)
