"""What is compared with what, and what must come of it at least."""

from __future__ import annotations

from dataclasses import dataclass

from bench.blip.tasks import CAPTIONS, ONE_QUESTION, TEN_QUESTIONS


@dataclass(frozen=True, kw_only=True)
class FormName:
    """A form as options, results and people name it."""

    letter: str
    title: str


FORMS = {
    "transformers-fp32": FormName(letter="a", title="transformers, fp32, batch 1"),
    "transformers-bf16": FormName(letter="b", title="transformers, bf16, batch 8"),
    "notebook": FormName(letter="c", title="OpenVINO notebook, batch 1"),
    "engine-int8": FormName(letter="d", title="askpix engine, INT8"),
    "engine-whole": FormName(letter="d'", title="askpix engine, not quantized"),
    "system-int8": FormName(letter="e", title="askpix worker, HTTP, INT8"),
    "vision-int8": FormName(letter="f", title="vision encoder alone, INT8"),
    "vision-whole": FormName(letter="f'", title="vision encoder, not quantized"),
}
"""In the order of their turns."""

CEILINGS = {"vision-int8": "engine-int8", "vision-whole": "engine-whole"}
"""Forms that do one task only, which is to encode images; and the engine with the same weights."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A ratio of two forms' rates at a task, both taken in the same round."""

    task: str
    over: str
    under: str
    floor: float | None = None


COMPARISONS = (
    Comparison(task=CAPTIONS.name, over="engine-int8", under="transformers-fp32", floor=7),
    Comparison(task=CAPTIONS.name, over="engine-int8", under="transformers-bf16", floor=2.5),
    Comparison(task=CAPTIONS.name, over="engine-int8", under="notebook", floor=4),
    Comparison(task=ONE_QUESTION.name, over="engine-int8", under="notebook", floor=2),
    Comparison(task=TEN_QUESTIONS.name, over="engine-int8", under="notebook", floor=9),
    Comparison(task=CAPTIONS.name, over="engine-int8", under="vision-int8", floor=0.7),
    Comparison(task=CAPTIONS.name, over="engine-whole", under="vision-whole"),
    Comparison(task=CAPTIONS.name, over="system-int8", under="engine-int8", floor=0.9),
    Comparison(task=ONE_QUESTION.name, over="system-int8", under="engine-int8", floor=0.9),
    Comparison(task=TEN_QUESTIONS.name, over="system-int8", under="engine-int8", floor=0.9),
)
OCCUPANCY_FLOOR = 0.9
"""Rows in use of the decoder's places."""

MEMORY_CEILING_GB = 2.0
"""Resident memory of a worker, base size, INT8."""
