"""The vision encoder: images wait, are encoded a few at a time, and send their requests on."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov

from askpix.worker.blip.work import BlipImage, BlipRequest, States
from askpix.worker.engine.under_way import UnderWay
from askpix.worker.engine.waiting import Waiting
from askpix.worker.image_form import Pixels
from askpix.worker.instruments import StageHistograms

_log = logging.getLogger(__name__)

STREAMS = 4
"""Streams among which a wave is shared out at the most: an image waits for no more threads than its own stream's. On
two cores, a stream on each needs a tenth less processor time than one on both (INT8, base size). On a machine that
was busy with other programs too, captions took 137 to 207 ms instead of 263: of two threads that work on one image, the
one always waits for the other."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A vision infer request that has ended, well or not."""

    infer_request: VisionInferRequest
    images: list[BlipImage]


class VisionInferRequest:
    """One async infer request of the vision encoder, which reports to the inbox when it ends."""

    def __init__(self, compiled: ov.CompiledModel, wave: int, inbox: queue.SimpleQueue[Any]) -> None:
        self._infer_request = compiled.create_infer_request()
        self._inbox = inbox
        self._images: list[BlipImage] = []
        _, height, width, channels = compiled.input("image").get_partial_shape()
        shape = (wave, height.get_length(), width.get_length(), channels.get_length())
        self._pixels: Pixels = np.empty(shape, np.uint8)
        """What the request reads, from the first image on."""
        self._bound = 0
        """How many images of these it reads."""
        self._infer_request.set_callback(lambda _: self._inbox.put(Encoded(self, self._images)), None)

    def begin(self, images: list[BlipImage]) -> None:
        self._images = images
        for place, image in enumerate(images):
            assert image.pixels is not None
            self._pixels[place] = image.pixels
        if self._bound != len(images):
            self._bound = 0
            self._infer_request.set_tensor("image", ov.Tensor(self._pixels[: len(images)], shared_memory=True))
            self._bound = len(images)
        self._infer_request.start_async()

    def states(self) -> States:
        """Returns [images, S, E], valid until the next `begin`; raises RuntimeError if the device failed."""
        self._infer_request.wait()
        states: States = self._infer_request.get_tensor("states").data
        return states


class VisionStage:
    """Encodes the images of requests, each once.

    Images are encoded in waves: a few, shared out among the streams, and the next ones when all have ended. So the
    device does nothing else meanwhile.

    Args:
        compiled: the vision encoder.
        wave: images that are encoded at a time, at the most.
        inbox: where an infer request puts `Encoded` when it ends, for the engine to give it to `end`.
        under_way: is told of requests that end here.
        seen: takes each request whose image is encoded.
    """

    def __init__(
        self,
        compiled: ov.CompiledModel,
        wave: int,
        inbox: queue.SimpleQueue[Any],
        under_way: UnderWay[BlipRequest],
        seen: Callable[[BlipRequest], None],
    ) -> None:
        streams = min(STREAMS, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._infer_requests = [VisionInferRequest(compiled, wave, inbox) for _ in range(streams)]
        self._wave = wave
        self._computing = 0
        """How many of them do."""
        self._images: Waiting[BlipImage] = Waiting()
        self._under_way = under_way
        self._seen = seen
        self.waves = 0
        self.images = 0
        """Images that were encoded."""
        self.reused = 0
        """Requests whose image was encoded, or waited for it, before they came."""
        self.histograms = StageHistograms()
        """Of waves."""
        self._current = (0.0, 0)
        """When the one that is computed began, and its images."""

    @property
    def ready(self) -> bool:
        """Whether `begin` has something to do."""
        return bool(self._images) and not self.busy

    @property
    def busy(self) -> bool:
        """Whether images are being encoded."""
        return self._computing > 0

    @property
    def full(self) -> bool:
        """Whether `begin` has a whole wave to do."""
        return self.ready and len(self._images) >= self._wave

    @property
    def urgent(self) -> bool:
        """Whether `begin` has something urgent to do."""
        return self.ready and self._images.urgent > 0

    def take(self, request: BlipRequest) -> None:
        """Sends a request on, at once or when its image is encoded."""
        image = request.image
        self.reused += image.states is not None or image.waiting is not None
        if image.states is not None:
            self._seen(request)
        elif image.waiting is None:
            image.waiting = [request]
            self._images.put(image, urgent=request.urgent)
        else:
            image.waiting.append(request)
            if request.urgent:
                self._images.move_up(image)

    def begin(self) -> None:
        """Begins a wave of what waits. None is being encoded."""
        wave: list[BlipImage] = []
        # Urgent images by themselves: others would make them wait for as long again each.
        front = self._images.front
        while front and len(wave) < self._wave:
            image = front.popleft()
            image.waiting = [request for request in image.waiting or () if not self._under_way.abandoned(request)]
            if image.waiting:
                wave.append(image)
            else:
                image.waiting = None
        if wave:
            self.waves += 1
            self._current = (time.perf_counter(), len(wave))
        for number, infer_request in enumerate(self._infer_requests):
            if batch := wave[number :: len(self._infer_requests)]:
                self._begin(infer_request, batch)

    def _begin(self, infer_request: VisionInferRequest, batch: list[BlipImage]) -> None:
        try:
            infer_request.begin(batch)
        except Exception as error:  # noqa: BLE001
            self._fail(_released(batch), error)
            with self._under_way.about_failed(error):
                _log.exception("images could not be given to the device")
        else:
            self._computing += 1

    def end(self, encoded: Encoded) -> None:
        """Keeps encodings that have ended and sends their requests on; if the device failed, they fail."""
        self._computing -= 1
        if not self._computing:
            began, size = self._current
            self.histograms.add(time.perf_counter() - began, size)
        waiting = _released(encoded.images)
        try:
            states = encoded.infer_request.states()
        except RuntimeError as error:
            self._fail(waiting, error)
            with self._under_way.about_failed(error):
                _log.exception("images could not be encoded")
            return
        self.images += len(encoded.images)
        for image, own in zip(encoded.images, states, strict=True):
            image.states, image.pixels = own.copy(), None
        for request in waiting:
            self._seen(request)

    def _fail(self, requests: list[BlipRequest], error: BaseException) -> None:
        for request in requests:
            self._under_way.fail(request, error)


def _released(images: list[BlipImage]) -> list[BlipRequest]:
    """Returns the requests that wait for these images, which from now on nobody waits for."""
    requests = [request for image in images for request in image.waiting or ()]
    for image in images:
        image.waiting = None
    return requests
