"""Form (f): the vision encoder alone, as fast as it goes: what no engine with these weights can pass."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from bench.blip.forms import Form, Measured
from bench.blip.tasks import Pixels, Said, Task

BATCHES = (1, 2, 4, 8)
STREAMS = (1, 2)

_TRIAL_IMAGES = 8
_TRIALS = 2


class CeilingForm(Form):
    """The vision encoder of a model folder, in the batch and the number of streams that a trial finds best."""

    def __init__(self, folder: Path, image: Pixels) -> None:
        core = ov.Core()
        model = core.read_model(folder / "vision_encoder.xml")
        compiled = {streams: core.compile_model(model, "CPU", {"NUM_STREAMS": streams}) for streams in STREAMS}
        self.trials: dict[str, float] = {}
        """Images per second of each batch and number of streams, the better of two tries."""
        best = 0.0
        for streams, batch in [(streams, batch) for streams in STREAMS for batch in BATCHES]:
            encoder = _Encoder(compiled[streams], streams, batch, image)
            encoder.images_per_second(batch * (streams + 1))
            rate = max(encoder.images_per_second(_TRIAL_IMAGES) for _ in range(_TRIALS))
            self.trials[f"batch {batch}, {streams} streams"] = rate
            if rate > best:
                best, self._encoder, self.chosen = rate, encoder, f"batch {batch}, {streams} streams"

    def measure(self, task: Task, images: list[Pixels], number: int) -> Measured:  # noqa: ARG002
        started = time.perf_counter()
        encoded = self._encoder.encode(number)
        seconds = time.perf_counter() - started
        return Measured(counted=encoded, rate=encoded / seconds, details={"form": self.chosen})

    def say(self, task: Task, images: list[Pixels], number: int) -> list[Said]:
        raise NotImplementedError("it says nothing")


class _Encoder:
    """Infer requests that take turns, one more than there are streams, so that no stream ever waits."""

    def __init__(self, compiled: ov.CompiledModel, streams: int, batch: int, image: Pixels) -> None:
        self._batch = batch
        self._input = np.stack([image] * batch)
        self._requests: Any = ov.AsyncInferQueue(compiled, streams + 1)

    def encode(self, number: int) -> int:
        """Encodes at least so many images; returns how many."""
        batches = -(-number // self._batch)
        for _ in range(batches):
            self._requests.start_async({0: self._input}, share_inputs=True)
        self._requests.wait_all()
        return batches * self._batch

    def images_per_second(self, number: int) -> float:
        started = time.perf_counter()
        return self.encode(number) / (time.perf_counter() - started)
