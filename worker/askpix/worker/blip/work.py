"""What is under way in a BLIP engine: images, requests, and encodings that the device computes."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from askpix.producer.items import Question
from askpix.worker.engine.base import ImageHandle, Pixels, Ticket

Floats = npt.NDArray[np.float32]


class BlipImage(ImageHandle):
    """Pixels on their way in, states once they are encoded."""

    def __init__(self, owner: object, pixels: Pixels) -> None:
        self.owner = owner
        """The engine that the image was given to."""
        self.pixels: Pixels | None = pixels
        self.states: Floats | None = None
        """float32 [S, E]."""
        self.waiting: list[Job] | None = None
        """Requests to go on with when the encoding is there; None before the first one."""


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """A request on its way through the stages, with its texts as ids."""

    image: BlipImage
    question: Question | None
    question_ids: list[int] = field(default_factory=list)
    prompt_ids: list[int] = field(default_factory=list)
    choice_ids: list[list[int]] = field(default_factory=list)
    max_new_tokens: int
    ticket: Ticket
    scores: dict[int, float] = field(default_factory=dict)
    """Log-likelihood of each choice that is scored."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A vision request that has ended, well or not."""

    request: VisionRequest
    images: list[BlipImage]


class VisionRequest:
    """One async infer request of the vision encoder, which reports to the inbox when it ends."""

    def __init__(self, compiled: ov.CompiledModel, inbox: queue.SimpleQueue[Any]) -> None:
        self._request = compiled.create_infer_request()
        self._inbox = inbox
        self._images: list[BlipImage] = []
        self._pixels: Pixels | None = None
        self._request.set_callback(lambda _: self._inbox.put(Encoded(self, self._images)), None)

    def begin(self, images: list[BlipImage]) -> None:
        self._images = images
        # Kept until the end: the request reads this memory.
        self._pixels = np.stack([image.pixels for image in images if image.pixels is not None])
        self._request.set_tensor("image", ov.Tensor(self._pixels, shared_memory=True))
        self._request.start_async()

    def states(self) -> Floats:
        """Returns float32 [images, S, E], valid until the next `begin`; raises RuntimeError if the device failed."""
        self._request.wait()
        states: Floats = self._request.get_tensor("states").data
        return states
