"""Finds the calibration of each question of a sheet, and measures what it is good for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from askpix.producer.calibrating.examples import Example, Gathered, gathered
from askpix.producer.calibrating.fitting import Evidence, Form, chosen, evidence, fitted, too_few
from askpix.producer.calibrating.labels import Labels
from askpix.producer.calibrating.measures import Measures, Outcome, measured
from askpix.producer.calibrating.samples import folds
from askpix.producer.calibrating.whole import fitted_whole
from askpix.producer.calibration import Calibration
from askpix.producer.errors import InputError
from askpix.producer.followed import Job
from askpix.producer.judging import judged
from askpix.producer.questions import Question
from askpix.producer.storage import shortened
from askpix.producer.terms import split_loosely
from askpix.producer.words import counted, listed

ENOUGH = 20
"""Examples of an attribute under which nothing is fitted."""

WELL = 100
"""Examples of an attribute under which its figures are told to be rough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """How answers fare."""

    answers: Measures
    judgements: Measures | None
    """Of choices that are judged one by one: how each judgement fares; None for other questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What came of one attribute."""

    title: str
    examples: int
    by_term: dict[str, int]
    """How many examples each term has."""

    form: Form = Form.NONE
    calibration: Calibration | None = None
    before: Figures | None = None
    """By the model's own numbers; None without examples."""

    after: Figures | None = None
    """By cross-validation: each example is measured by what was fitted without it."""

    notes: tuple[str, ...] = ()
    """What should be known of it."""


def calibrate(job: Job, questions: Sequence[Question], labels: Labels, *, precision: float) -> list[Found]:
    """Returns what examples from a job say of the questions of a sheet that have choices.

    Args:
        precision: which share of the answers that go unchecked is to be right.

    Raises:
        InputError: there is nothing to calibrate, or no example.
        JobError: a file of the job is missing or damaged.
    """
    wanted = [question for question in questions if question.choices]
    if not wanted:
        raise InputError("the sheet has no choices, which are what calibration is for")
    found = gathered(job, wanted, labels)
    if not any(each.examples for each in found):
        raise InputError(f"{job.folder.uri} has no example of any attribute: {_why(found)}")
    return [_found(each, precision) for each in found]


@dataclass(slots=True)
class Outcomes:
    """How answers fared."""

    answers: list[Outcome] = field(default_factory=list)
    judgements: list[Outcome] = field(default_factory=list)
    """Of choices that are judged one by one."""

    def see(self, question: Question, calibration: Calibration | None, examples: Sequence[Example]) -> Outcomes:
        """Adds how rows would fare that are judged so, without what stands for all that is not sure."""
        asked = question.model_copy(update={"calibration": calibration, "below": None, "then": None})
        words = question.map or {}
        for example in examples:
            answer = judged(asked, example.answer)
            self.answers.append(Outcome(answer.confidence, answer.text == example.label))
            if question.multiple:
                terms = split_loosely(example.label)
                self.judgements += [
                    Outcome(max(p, 1 - p), (p >= 0.5) == (words.get(choice.text, choice.text) in terms))
                    for choice in answer.choices or ()
                    for p in (choice.probability,)
                ]
        return self

    def figures(self, precision: float) -> Figures:
        return Figures(
            answers=measured(self.answers, precision),
            judgements=measured(self.judgements, precision) if self.judgements else None,
        )


def _why(found: Sequence[Gathered]) -> str:
    mistakes = sum(each.mistakes for each in found)
    if mistakes:
        return (
            f"it has {counted(mistakes, 'correction')}, and none confirms a right answer; give --labels of others too"
        )
    if any(each.otherwise for each in found):
        return "it asked something else than this sheet; give the job that ran with it"
    if any(each.unanswered for each in found):
        return "what is labelled was not answered there"
    return "no label is of its items; give --labels, with the ids of the job or with its images"


def _found(each: Gathered, precision: float) -> Found:
    question, examples, notes = each.question, each.examples, _notes(each)
    found = Found(title=question.title, examples=len(examples), by_term=dict(each.by_term))
    if not examples:
        return replace(found, notes=("not calibrated: no examples", *notes))
    before = Outcomes().see(question, None, examples).figures(precision)
    if len(examples) < ENOUGH:
        few = f"not calibrated: {counted(len(examples), 'example')}, of {ENOUGH} that are the least"
        return replace(found, before=before, after=before, notes=(few, *notes))
    seen = evidence(question, examples)
    form, calibration = _fitted(seen, examples)
    after = before if calibration is None else _left_out(seen, examples).figures(precision)
    if few_of := too_few(seen):
        notes.append(f"too few examples of {listed([f'{term} ({count})' for term, count in few_of.items()])}")
    return replace(found, form=form, calibration=calibration, before=before, after=after, notes=tuple(notes))


def _fitted(seen: Evidence, examples: Sequence[Example]) -> tuple[Form, Calibration | None]:
    """Returns the calibration that is worth having; None stands for none."""
    form = chosen(seen)
    calibration = fitted(seen, form)
    if seen.question.multiple:
        whole = fitted_whole(Outcomes().see(seen.question, calibration, examples).answers)
        if whole is not None:
            calibration = (calibration or Calibration()).model_copy(update={"whole": whole})
    return form, calibration


def _left_out(seen: Evidence, examples: Sequence[Example]) -> Outcomes:
    """Returns how each example fares by what was fitted, and by the form that was chosen, without it."""
    outcomes = Outcomes()
    everything = np.arange(len(examples))
    for fold in folds(len(examples)):
        rest = np.setdiff1d(everything, fold)
        _, calibration = _fitted(seen.at(rest), [examples[place] for place in rest])
        outcomes.see(seen.question, calibration, [examples[place] for place in fold])
    return outcomes


def _notes(each: Gathered) -> list[str]:
    notes = []
    if each.mistakes:
        notes.append(
            f"{counted(each.mistakes, 'correction')} left out: all are of mistakes, by which a model looks worse than "
            "it is; correct right answers too, by the same word"
        )
    if each.otherwise:
        notes.append(
            f"{counted(each.otherwise, 'label')} left out: the job asked {shortened(each.question.title)} otherwise"
        )
    if each.unanswered:
        notes.append(f"{counted(each.unanswered, 'label')} left out: the job has no answer there")
    if ENOUGH <= len(each.examples) < WELL:
        notes.append(f"{len(each.examples)} examples give rough figures; {WELL} or more are better")
    return notes
