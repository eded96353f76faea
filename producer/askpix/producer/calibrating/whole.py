"""Finds how sure an answer with several terms may be, of which each choice was judged by itself.

The product of the judgements' confidences takes them as independent. Mistakes in one image are not: one that is hard is
hard for all choices. So the log-odds of that product are brought to those with which whole answers are right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from askpix.producer.calibrating.descent import Numbers, descended
from askpix.producer.calibrating.measures import Outcome
from askpix.producer.calibrating.samples import beyond_chance, folds
from askpix.producer.calibrating.scales import log_odds_of, scale_of, shift_of, temperature_of
from askpix.producer.calibration import Whole


def fitted_whole(outcomes: Sequence[Outcome]) -> Whole | None:
    """Returns by what the whole answers' confidence is best changed; None where that is no better than leaving it,
    measured on answers which were left out of fitting.

    Args:
        outcomes: of whole answers, by calibrated judgements.
    """
    logs = log_odds_of(np.array([outcome.confidence for outcome in outcomes]))
    right = np.array([outcome.right for outcome in outcomes], bool)
    found, everything = np.zeros(len(outcomes)), np.arange(len(outcomes))
    for fold in folds(len(outcomes)):
        rest = np.setdiff1d(everything, fold)
        found[fold] = _losses(logs[fold], right[fold], _minimum(logs[rest], right[rest]))[0]
    if not beyond_chance(_losses(logs, right, np.zeros(2))[0] - found):
        return None
    steepness, shift = _minimum(logs, right)
    return Whole(temperature=temperature_of(steepness), shift=shift_of(shift))


def _minimum(logs: Numbers, right: npt.NDArray[np.bool_]) -> Numbers:
    """[2]: the logarithm of the inverse temperature, and the shift, with a pull of both towards 0."""

    def cost(values: Numbers) -> tuple[float, Numbers]:
        losses, gradient = _losses(logs, right, values)
        return float(losses.sum() + 0.5 * values @ values), gradient + values

    return descended(cost, np.zeros(2))


def _losses(logs: Numbers, right: npt.NDArray[np.bool_], values: Numbers) -> tuple[Numbers, Numbers]:
    """Returns what each answer costs [answers], and the gradient of their sum [2]."""
    scale = scale_of(values[0])
    scores = logs * scale + values[1]
    losses = np.logaddexp(0, np.where(right, -scores, scores))
    slopes = np.exp(-np.logaddexp(0, -scores)) - right
    return losses, np.array([(slopes * logs).sum() * scale, slopes.sum()])
