"""One run of the benchmark: forms are started, checked, and take their turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from bench.blip import machine
from bench.blip.apart import Apart
from bench.blip.ceiling import CeilingForm
from bench.blip.checks import check_lengths, check_same
from bench.blip.engine_form import EngineForm
from bench.blip.figures import Rounds
from bench.blip.floors import CEILINGS, FORMS
from bench.blip.forms import Form, Measured
from bench.blip.models import Models, image_form
from bench.blip.notebook_form import NotebookForm
from bench.blip.pictures import pixels
from bench.blip.results import Results
from bench.blip.system_form import SystemForm
from bench.blip.tasks import CAPTIONS, OCCUPANCY, TASKS, Pixels, Said, Task
from bench.blip.transformers_form import TransformersForm

IMAGES = 28
"""Pictures that turns go through, again and again; the worker of form (e) fetches its own."""

CHECKED = 6
"""Pictures that each form captions for the check; of their questions, the first so many."""


def builders(models: Models, image: Pixels) -> dict[str, Callable[[], Form]]:
    """Returns what makes each form, in its own process."""
    return {
        "transformers-fp32": partial(TransformersForm, models.checkpoint, dtype="float32", batch=1),
        "transformers-bf16": partial(TransformersForm, models.checkpoint, dtype="bfloat16", batch=8),
        "notebook": partial(NotebookForm, models.checkpoint, models.notebook),
        "engine-int8": partial(EngineForm, models.int8, "auto"),
        "engine-whole": partial(EngineForm, models.whole, "auto"),
        "system-int8": partial(SystemForm, models.int8, "auto"),
        "vision-int8": partial(CeilingForm, models.int8, image),
        "vision-whole": partial(CeilingForm, models.whole, image),
    }


class Session:
    """Runs forms and tasks, interleaved, so that what else the machine does hits all of them alike.

    Args:
        models: what is measured.
        forms: names of FORMS.
        tasks: names of TASKS, and OCCUPANCY.
        rounds: how often each form has its turn at each task.
        images: how many images a turn of the fast forms takes.
    """

    def __init__(self, models: Models, forms: Sequence[str], tasks: Sequence[str], *, rounds: int, images: int) -> None:
        self._models, self._forms, self._rounds, self._number = models, forms, rounds, images
        self._tasks = [TASKS[name] for name in tasks if name != OCCUPANCY]
        self._occupancy = OCCUPANCY in tasks and "engine-int8" in forms
        self._images = pixels(image_form(models.whole), IMAGES)
        self._builders = builders(models, self._images[0])

    def run(self) -> Results:
        """Measures.

        Raises:
            WrongTextError: a form gives other texts than it should.
            FormFailedError: a form does not work.
        """
        described = machine.described()
        self._check()
        with ExitStack() as stack:
            running: dict[str, Apart] = {}
            for name in self._forms:
                say(f"starting ({FORMS[name].letter}) {FORMS[name].title}")
                running[name] = stack.enter_context(Apart(name, self._builders[name]))
            self._warm_up(running)
            rounds: Rounds = []
            occupancy, loads = [], []
            for number in range(self._rounds):
                say(f"round {number + 1} of {self._rounds}")
                rounds.append(self._round(running, backwards=number % 2 == 1))
                if self._occupancy:
                    occupancy.append(self._occupied(running["engine-int8"]))
                loads.append(machine.load())
            return Results(
                model=self._models.recipe,
                images=self._number,
                machine=described,
                loads=loads,
                rounds=rounds,
                occupancy=occupancy,
                precisions={name: running[name].get("precision") for name in running if name.startswith("engine")},
                ceilings={name: running[name].get("trials") for name in running if name in CEILINGS},
            )

    def _check(self) -> None:
        """Compares the texts of OpenVINO's forms, in float32, with those of transformers."""
        engine = partial(EngineForm, self._models.whole, "f32")
        notebook = partial(NotebookForm, self._models.checkpoint, self._models.notebook, f32=True)
        checked: dict[str, Callable[[], Form]] = {}
        if any(name.startswith(("engine", "system")) for name in self._forms):
            checked["engine"] = engine
        if "notebook" in self._forms:
            checked["notebook"] = notebook
        if not checked:
            return
        say(f"checking {' and '.join(checked)} against transformers, in float32")
        expected = self._said("transformers", self._builders["transformers-fp32"])
        for name, build in checked.items():
            said = self._said(name, build)
            for task in self._tasks:
                check_same(name, task, said[task.name], expected[task.name])

    def _said(self, name: str, build: Callable[[], Form]) -> dict[str, list[Said]]:
        """Returns what a form says of the first pictures, by task."""
        with Apart(name, build) as form:
            return {
                task.name: form.call("say", task, self._images[:CHECKED], max(CHECKED, len(task.questions)))
                for task in self._tasks
            }

    def _warm_up(self, running: Mapping[str, Apart]) -> None:
        say("warming up")
        for name, form in running.items():
            if name not in CEILINGS:
                for task in self._tasks:
                    form.call("say", task, self._images, 8)

    def _round(self, running: Mapping[str, Apart], *, backwards: bool) -> dict[str, dict[str, float]]:
        """Returns each form's rate at each task; every other round goes backwards, so that nobody is always first."""
        found: dict[str, dict[str, float]] = {}
        for task in self._tasks:
            names = [name for name in running if name not in CEILINGS or task is CAPTIONS]
            turns = {name: self._turn(task, name, running[name]) for name in names[:: -1 if backwards else 1]}
            found[task.name] = {name: round(turns[name].rate, 4) for name in names}
        return found

    def _turn(self, task: Task, name: str, form: Apart) -> Measured:
        measured: Measured = form.call("measure", task, self._images, task.answers(self._number))
        if name not in CEILINGS:
            check_lengths(name, task, measured.tokens)
        say(f"  {task.name}, {name}: {measured.rate:.2f}/s over {measured.counted}")
        return measured

    def _occupied(self, engine: Apart) -> float:
        measured: Measured = engine.call("occupancy", self._images, 2 * self._number)
        in_use: float = round(measured.details["in_use"], 4)
        say(f"  {OCCUPANCY}: {in_use:.3f} of the places in use")
        return in_use


def say(what: str) -> None:
    """Tells on standard error what is going on."""
    print(what, file=sys.stderr, flush=True)
