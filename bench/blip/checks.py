"""Whether what is timed is right: in FP32, each form gives the tokens of transformers."""

from __future__ import annotations

from collections.abc import Sequence

from bench.blip.tasks import Said, Task


class WrongTextError(Exception):
    """A form does not do what it is compared for."""


def check_same(form: str, task: Task, said: Sequence[Said], expected: Sequence[Said]) -> None:
    """Raises WrongTextError where a form's texts are not those of transformers."""
    if len({one.text for one in expected}) < 2:
        raise WrongTextError(f"{task.title}: a model that says one thing only shows nothing")
    for number, (one, other) in enumerate(zip(said, expected, strict=True)):
        if one != other:
            raise WrongTextError(f"{form}, {task.title}, number {number}: {one}, and transformers says {other}")


def check_lengths(form: str, task: Task, tokens: Sequence[int]) -> None:
    """Raises WrongTextError where not all timed texts have the task's length."""
    if set(tokens) != {task.tokens}:
        raise WrongTextError(f"{form}, {task.title}: texts of {sorted(set(tokens))} tokens, not of {task.tokens}")
