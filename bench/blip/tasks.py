"""What every form is asked to do, and the words that forms, tasks and results share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB, in the model's size."""

Pair = tuple[Pixels, str | None]
"""An image and what is asked of it; None asks for a caption."""

QUESTIONS = (
    "what is printed on the white mug?",
    "what color is the hat shown there?",
    "is the background of this product plain?",
    "how many striped shirt sleeves are there?",
    "which pattern is printed on the bag?",
    "what kind of product is shown there?",
    "is there a star on the lamp?",
    "what length have the sleeves of it?",
    "is the wooden background white or gray?",
    "what is on the white wooden background?",
)
"""Each of them comes to 10 tokens, so that a batch of them needs no padding."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Something to find out about each image."""

    name: str
    title: str
    questions: tuple[str | None, ...]
    """Asked of each image; None asks for a caption."""

    tokens: int
    """Of each answer: `max_new_tokens`, which the models here always reach."""

    unit: str
    """What is counted per second."""

    def answers(self, images: int) -> int:
        """Returns the answers of a turn: one for each image, or more where an image has many and each takes less."""
        return images * max(1, len(self.questions) // 4)

    def pairs(self, images: list[Pixels], number: int) -> list[Pair]:
        """Returns so many images and questions: all questions of one image, then those of the next."""
        every = len(self.questions)
        return [(images[index // every % len(images)], self.questions[index % every]) for index in range(number)]


@dataclass(frozen=True, kw_only=True)
class Said:
    """A text as a form gives it; equal texts are equal tokens, for each id of the models here reads differently."""

    text: str
    tokens: int


CAPTIONS = Task(name="captions", title="captions of 12 tokens", questions=(None,), tokens=12, unit="captions")
ONE_QUESTION = Task(
    name="one-question", title="one question an image", questions=QUESTIONS[:1], tokens=3, unit="answers"
)
TEN_QUESTIONS = Task(
    name="ten-questions", title="ten questions an image", questions=QUESTIONS, tokens=3, unit="answers"
)
TASKS = {task.name: task for task in (CAPTIONS, ONE_QUESTION, TEN_QUESTIONS)}

OCCUPANCY = "occupancy"
"""Name of the run that looks at the decoder's places, not at speed."""

MIXED_TOKENS = (4, 20)
"""Shortest and longest caption of that run."""
