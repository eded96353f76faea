"""What is under way in the engine of a vision-language model: images, requests, and the texts that these need."""

from __future__ import annotations

from dataclasses import dataclass, field

import openvino as ov

from askpix.producer.generation import Generation
from askpix.producer.questions import Question
from askpix.worker.engine.base import ImageHandle
from askpix.worker.engine.ticket import Ticket
from askpix.worker.image_form import Pixels

_MARKED = 24
"""Every so many rows and columns a pixel."""


class VlmImage(ImageHandle):
    """An image that the pipeline encodes with each text that is asked of it.

    Args:
        pixels: uint8 [height, width, 3], as the pipeline is to have them.
        width: of the image as it came.
        height: so too.
    """

    def __init__(self, owner: object, pixels: Pixels, width: int, height: int) -> None:
        self.owner = owner
        """The engine that the image was given to."""
        self.width = width
        self.height = height
        self.tensor = ov.Tensor(pixels[None])
        """uint8 [1, height, width, 3]; keeps the pixels."""
        self.mark = pixels[::_MARKED, ::_MARKED].tobytes()
        """Some of its pixels, which tell it from others when something is to be drawn by chance."""


@dataclass(frozen=True, slots=True)
class Said:
    """A text that the model has generated."""

    text: str
    log_probabilities: tuple[float, ...]
    """Of its tokens, the end token included."""

    finish_reason: str
    """"stop" or "length"."""


@dataclass(kw_only=True, slots=True, eq=False)
class VlmRequest:
    """A request with its prompt, from when it is taken to its answer."""

    images: tuple[VlmImage, ...]
    """In the order in which the prompt shows them."""

    question: Question | None
    prompt: str
    begun: str
    """What the answer begins with, which stands in the prompt already."""

    settings: Generation
    """The request's own, and the model's where it leaves them open."""

    stops: tuple[str, ...]
    """Texts that end what is generated, which is what stands before them: the template's and the request's."""

    sought: tuple[str, ...]
    """Those of them that end it wherever it spells them: the others are end tokens, which the pipeline stops at."""

    max_new_tokens: int
    prompt_tokens: int
    seed: int
    urgent: bool
    follows: bool
    """Whether it is asked for an answer that is there."""

    ticket: Ticket
    found: dict[int, tuple[Said, ...]] = field(default_factory=dict)
    """The texts of each run that has ended."""

    tries: int = 1
    """How often an answer was asked for that keeps to a schema, this time included."""

    @property
    def schema(self) -> str | None:
        """The JSON schema that the answer is to keep to, if any."""
        return None if self.question is None else self.question.json_schema

    @property
    def counts(self) -> bool:
        return not self.urgent and not self.follows


@dataclass(kw_only=True, slots=True, eq=False)
class Run:
    """One sequence, or several of one prompt, that the pipeline is to generate for a request."""

    request: VlmRequest
    number: int
    """Of the request's runs; with choices, each has one."""

    choice: str | None = None
    """The only text that it may generate."""

    alone: bool = False
    """Whether it goes without others, since the pipeline failed on it, or on another beside it."""

    @property
    def rows(self) -> int:
        """How many texts of one prompt go on at a time."""
        return max(self.request.settings.beams, self.request.settings.texts) if self.choice is None else 1

    @property
    def tokens(self) -> int:
        """How many tokens' keys and values it may come to have in the cache."""
        return self.request.prompt_tokens + self.rows * self.request.max_new_tokens
