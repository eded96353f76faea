"""Finds a calibration: the temperature and the shifts by which labelled examples are likeliest.

What is minimised is the negative log likelihood of the labels, and a pull towards no change at all (a Gaussian prior of
deviation 1 on the logarithm of the temperature and on each shift), so that few examples change little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from askpix.producer.calibrating.descent import Numbers, descended
from askpix.producer.calibrating.examples import Example
from askpix.producer.calibrating.samples import beyond_chance, folds
from askpix.producer.calibrating.scales import LEAST, log_odds_of, logs_of, scale_of, shift_of, temperature_of
from askpix.producer.calibration import Calibration
from askpix.producer.questions import Question
from askpix.producer.terms import split_loosely, terms_of

Truths = npt.NDArray[np.bool_]

FEW = 5
"""Examples of a choice under which it is not shifted; of choices that are judged one by one, also of its absence."""


class Form(StrEnum):
    """What is fitted, the simplest first."""

    NONE = "none"
    TEMPERATURE = "temperature"
    SHIFTS = "temperature and shifts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Examples as numbers."""

    question: Question
    logs: Numbers
    """[examples, choices]: logarithms of probabilities; of choices judged one by one, log-odds."""

    truth: Truths
    """[examples, terms]: which terms are so."""

    groups: Truths
    """[choices, terms]: which term a choice is called by."""

    def __len__(self) -> int:
        return len(self.logs)

    def at(self, places: npt.NDArray[np.intp]) -> Evidence:
        """Returns some of the examples."""
        return Evidence(question=self.question, logs=self.logs[places], truth=self.truth[places], groups=self.groups)

    def shiftable(self) -> Truths:
        """[choices]: which have examples enough to be shifted."""
        so = self.truth.sum(axis=0)
        enough = (so >= FEW) & (len(self) - so >= FEW) if self.question.multiple else so >= FEW
        if not self.question.multiple and enough.sum() < 2:
            enough[:] = False
        return np.asarray(self.groups[:, enough].any(axis=1), np.bool_)


def evidence(question: Question, examples: Sequence[Example]) -> Evidence:
    """Returns examples as numbers."""
    choices, terms, words = question.choices or (), terms_of(question), question.map or {}
    places = {term: place for place, term in enumerate(terms)}
    given = np.array([example.probabilities for example in examples], np.float64).reshape(len(examples), len(choices))
    logs = log_odds_of(given) if question.multiple else logs_of(given)
    truth = np.zeros((len(examples), len(terms)), bool)
    for row, example in zip(truth, examples, strict=True):
        row[[places[term] for term in (split_loosely(example.label) if question.multiple else (example.label,))]] = True
    groups = np.zeros((len(choices), len(terms)), bool)
    for place, choice in enumerate(choices):
        groups[place, places[words.get(choice, choice)]] = True
    return Evidence(question=question, logs=logs, truth=truth, groups=groups)


def fitted(seen: Evidence, form: Form) -> Calibration | None:
    """Returns the calibration of that form by which the examples are likeliest; None stands for none."""
    if form is Form.NONE or not len(seen):
        return None
    found = _minimum(seen, _free(seen, form))
    return _calibration(seen.question, found)


def chosen(seen: Evidence) -> Form:
    """Returns the simplest form that is not worse than another, measured on examples that were left out of fitting."""
    best, losses = Form.NONE, _left_out(seen, Form.NONE)
    for form in (Form.TEMPERATURE, Form.SHIFTS):
        other = _left_out(seen, form)
        if beyond_chance(losses - other):
            best, losses = form, other
    return best


def too_few(seen: Evidence) -> Counter[str]:
    """Returns the terms that are so in less than FEW examples, with how many there are."""
    counts = zip(terms_of(seen.question), seen.truth.sum(axis=0).tolist(), strict=True)
    return Counter({term: int(count) for term, count in counts if count < FEW})


def _left_out(seen: Evidence, form: Form) -> Numbers:
    """[examples]: the losses of each by what was fitted without it."""
    losses = np.zeros(len(seen))
    everything = np.arange(len(seen))
    for fold in folds(len(seen)):
        rest = seen.at(np.setdiff1d(everything, fold))
        found = np.zeros(1 + seen.logs.shape[1]) if form is Form.NONE else _minimum(rest, _free(rest, form))
        losses[fold] = _losses(seen.at(fold), found)[0]
    return losses


def _free(seen: Evidence, form: Form) -> Truths:
    """[1 + choices]: what may change."""
    return np.concatenate([[True], seen.shiftable() & (form is Form.SHIFTS)])


def _calibration(question: Question, found: Numbers) -> Calibration:
    shifts = {choice: shift_of(shift) for choice, shift in zip(question.choices or (), found[1:], strict=True)}
    return Calibration(
        temperature=temperature_of(found[0]), shifts={choice: shift for choice, shift in shifts.items() if shift}
    )


def _minimum(seen: Evidence, free: Truths) -> Numbers:
    """[1 + choices]: the logarithm of the inverse temperature, and the shifts, 0 where they are not free."""

    def cost(values: Numbers) -> tuple[float, Numbers]:
        whole = np.zeros(len(free))
        whole[free] = values
        losses, gradient = _losses(seen, whole)
        return float(losses.sum() + 0.5 * values @ values), gradient[free] + values

    found = np.zeros(len(free))
    found[free] = descended(cost, np.zeros(int(free.sum())))
    return found


def _losses(seen: Evidence, found: Numbers) -> tuple[Numbers, Numbers]:
    """Returns what each example costs [examples], and the gradient of their sum [1 + choices]."""
    scale = scale_of(found[0])
    scores = seen.logs * scale + found[1:]
    losses, slopes = (_one_by_one if seen.question.multiple else _together)(seen, scores)
    return losses, np.concatenate([[(slopes * seen.logs).sum() * scale], slopes.sum(axis=0)])


def _together(seen: Evidence, scores: Numbers) -> tuple[Numbers, Numbers]:
    """Of choices of which one is so: the likelihood of a term is that of all choices which it stands for."""
    right = seen.truth @ seen.groups.T
    scores = scores - scores.max(axis=1, keepdims=True)
    among = np.where(right, scores, -np.inf)
    most = among.max(axis=1, keepdims=True)
    likelihoods, own = np.exp(scores), np.exp(among - most)
    losses = np.log(likelihoods.sum(axis=1)) - np.log(own.sum(axis=1)) - most[:, 0]
    return losses, likelihoods / likelihoods.sum(axis=1, keepdims=True) - own / own.sum(axis=1, keepdims=True)


def _one_by_one(seen: Evidence, scores: Numbers) -> tuple[Numbers, Numbers]:
    """Of choices judged one by one: a term is not so where none of the choices is that it stands for."""
    absent = -np.logaddexp(0, scores) @ seen.groups
    absent = np.minimum(absent, -LEAST)
    losses = np.where(seen.truth, -np.log(-np.expm1(absent)), -absent).sum(axis=1)
    weights = np.where(seen.truth, -np.exp(absent) / -np.expm1(absent), 1.0)
    likely = np.exp(-np.logaddexp(0, -scores))
    return losses, likely * (weights @ seen.groups.T)
