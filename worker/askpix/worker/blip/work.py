"""What is under way in a BLIP engine: images and requests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from askpix.producer.generation import Generation
from askpix.producer.questions import Question
from askpix.worker.engine.base import ImageHandle
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels

Floats = npt.NDArray[np.float32]

States = npt.NDArray[np.float32] | npt.NDArray[np.float16]
"""Hidden states in the numbers that the device computes in. 16 bits may be bfloat16, which numpy does not know."""


_MARKED = 24
"""Every so many rows and columns a pixel: 768 bytes of 384 x 384, copied in two microseconds."""


class BlipImage(ImageHandle):
    """Pixels on their way in, states once they are encoded."""

    def __init__(self, owner: object, pixels: Pixels) -> None:
        self.owner = owner
        """The engine that the image was given to."""
        self.pixels: Pixels | None = pixels
        self.mark = pixels[::_MARKED, ::_MARKED].tobytes()
        """Some of its pixels, which tell it from others when something is to be drawn by chance."""
        self.states: States | None = None
        """[S, E]."""
        self.waiting: list[BlipRequest] | None = None
        """Requests to go on with when the encoding is there; None before the first one."""


@dataclass(kw_only=True, slots=True, eq=False)
class BlipRequest:
    """A request on its way through the stages, with its texts as ids."""

    image: BlipImage
    question: Question | None
    question_ids: list[int] = field(default_factory=list)
    prompt_ids: list[int] = field(default_factory=list)
    choice_ids: list[list[int]] = field(default_factory=list)
    settings: Generation = field(default_factory=Generation)
    """The request's own, and the model's where it leaves them open."""

    max_new_tokens: int
    urgent: bool
    follows: bool = False
    """Whether it is asked for an answer that is there."""

    ticket: Ticket
    scores: dict[int, float] = field(default_factory=dict)
    """Log-likelihood of each choice that is scored."""

    @property
    def counts(self) -> bool:
        return not self.urgent and not self.follows
