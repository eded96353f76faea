"""The BLIP engine: one thread that decides, from what is waiting, what the device does next.

    image ▶ vision encoder ┬────────────────────▶ caption lane ▶ caption
                           └▶ question encoder ┬▶ answer lane ▶ answer
                                               ├▶ choice stage ▶ choice
                                               └▶ match

Which stage runs next, and how full its batch is to be, is told by `Batching`. All state belongs to the thread: requests
come in, and encoded images come back, through one inbox. Urgent requests go first wherever requests wait.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from askpix.worker.blip.answers import match_answer
from askpix.worker.blip.choices import ChoiceStage
from askpix.worker.blip.forms import Forms, Most
from askpix.worker.blip.generating import Generator
from askpix.worker.blip.graphs import Graphs, compile_graphs
from askpix.worker.blip.lane import DecoderLane
from askpix.worker.blip.questions import BATCH_TOKENS, QUESTION_BATCH, QuestionStage
from askpix.worker.blip.request_reader import RequestReader
from askpix.worker.blip.scheduling import Batching
from askpix.worker.blip.stages import Turns
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.vision import Encoded, VisionStage
from askpix.worker.blip.work import BlipImage, BlipRequest, States
from askpix.worker.digests import Digests
from askpix.worker.engine.base import EngineInfo, ImageHandle, Measures, Request
from askpix.worker.engine.choosing import choice_answer
from askpix.worker.engine.compiling import Compiler, computes_on, precision_of
from askpix.worker.engine.devices import Precision
from askpix.worker.engine.failures import spoiled
from askpix.worker.engine.threaded import ThreadedEngine
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.folder import load_blip
from askpix.worker.starting import stage

_log = logging.getLogger(__name__)

LANE_SLOTS = 32
"""Rows that decode together: per row, a step costs a fifth of what it costs alone (bf16, base size: 56 and 9.7 ms)."""

URGENT_SLOTS = 8
"""Places that urgent rows have beside those: one joins the next step though others hold all of them."""

CAPACITY = 256
"""Requests under way, the urgent ones not counted; `submit` waits when there are more."""


class BlipEngine(ThreadedEngine[BlipRequest]):
    """Answers with one BLIP model on one device.

    Args:
        folder: a model folder made by `askpix model convert`.
        device: as OpenVINO names it, such as CPU or GPU.1.
        precision: in which numbers to compute.
        cache: where compiled graphs are kept for the next start.
        forms: in which graphs are compiled; by default those that suit the device.

    Raises:
        ModelError: the folder cannot be used.
        DeviceError: the device is not there or cannot compute in that precision.
    """

    def __init__(
        self,
        folder: Path,
        device: str = "CPU",
        precision: Precision = Precision.AUTO,
        cache: Path | None = None,
        forms: Forms | None = None,
    ) -> None:
        super().__init__(BlipRequest, CAPACITY)
        self.recipe = partial(BlipEngine, folder, device, precision, cache, forms)
        compiler = Compiler(device, precision, cache)
        with stage("checking the model folder"):
            manifest = load_blip(folder, Digests(compiler.cache))
        tokenizer = BlipTokenizer(folder, manifest)
        self._reader = RequestReader(manifest, tokenizer)
        most = Most(rows=LANE_SLOTS + URGENT_SLOTS, images=QUESTION_BATCH, tokens=BATCH_TOKENS)
        graphs = compile_graphs(folder, manifest, compiler, most, forms)
        if compiler.name.virtual:
            _log.info(
                "%s computes %s on %s", compiler.device, manifest.name, ", ".join(computes_on(graphs.vision_encoder))
            )
        self._generator = Generator(manifest.tokens, tokenizer, self._under_way)
        self._vision = VisionStage(graphs.vision_encoder, graphs.wave, self._inbox, self._under_way, self._seen)
        self._questions = QuestionStage(
            graphs.text_encoder,
            graphs.states,
            graphs.question_form,
            pad=manifest.tokens.pad,
            under_way=self._under_way,
            understood=self._understood,
            matched=self._matched,
        )
        self._choices = ChoiceStage(
            graphs.choice_decoder,
            graphs.states,
            manifest.sizes,
            start=manifest.tokens.start,
            under_way=self._under_way,
            scored=self._chosen,
        )
        self._captions = _lane(graphs, manifest, manifest.sizes.image_hidden)
        self._answers = _lane(graphs, manifest, manifest.sizes.hidden)
        self._stages = (
            Turns("question_encoder", self._questions, lambda: self._questions.questions),
            Turns("choices", self._choices, lambda: self._choices.choices),
            Turns("answer_decoder", self._answers, lambda: self._answers.rows),
            Turns("caption_decoder", self._captions, lambda: self._captions.rows),
        )
        self._batching = Batching(self._vision, self._stages, self._step)
        self.abilities = manifest.abilities
        self.image_form = ImageForm(
            width=manifest.image.width, height=manifest.image.height, resample=manifest.image.resample
        )
        self.info = EngineInfo(
            model=manifest.name,
            fingerprint=manifest.fingerprint,
            device=compiler.device,
            precision=precision_of(graphs.vision_encoder),
        )
        self._thread.start()

    # Called from any thread. ----------------------------------------------------------------------

    def open_image(self, pixels: Pixels) -> ImageHandle:
        form = self.image_form
        if pixels.dtype != np.uint8 or pixels.shape != (form.height, form.width, 3):
            raise ValueError(f"uint8 [{form.height}, {form.width}, 3] is needed, not {pixels.dtype} {pixels.shape}")
        return BlipImage(self, pixels)

    def counters(self) -> Mapping[str, int]:
        return {
            "images": self._vision.images,
            "vision_batches": self._vision.waves,
            "questions": self._questions.questions,
            "question_batches": self._questions.batches,
            "answers": self._under_way.answers,
            "choices": self._choices.choices,
            "choice_passes": self._choices.passes,
            "caption_steps": self._captions.steps,
            "caption_rows": self._captions.rows,
            "answer_steps": self._answers.steps,
            "answer_rows": self._answers.rows,
        }

    def measures(self) -> Measures:
        lanes = {"answer_decoder": self._answers, "caption_decoder": self._captions}
        return Measures(
            stages={"vision_encoder": self._vision.histograms, **{one.name: one.histograms for one in self._stages}},
            rows={name: (lane.in_work, LANE_SLOTS) for name, lane in lanes.items()},
            under_way=len(self._under_way),
            reused=self._vision.reused,
        )

    def _read(self, request: Request) -> BlipRequest:
        return self._reader.read(request, self)

    # Called from the engine's thread. ---------------------------------------------------------------

    def _turn(self) -> None:
        self._receive()
        self._ended_at = time.monotonic()
        if not self._vision.busy:
            self._batching.run()

    def _step(self, stage: Turns) -> None:
        try:
            stage.step()
        except Exception as error:  # noqa: BLE001
            # The device failed one batch. Its tickets were told; the engine goes on with the others.
            with self._under_way.about_failed(error):
                _log.exception("a batch failed on %s", self.info.device)

    def _receive(self) -> None:
        """Takes everything from the inbox; waits for something when there is nothing else to do, or not yet."""
        wait = self._vision.busy or (self._batching.idle and not self._over)
        if not wait and not self._closing:
            self._wait(self._batching.seconds)
        while wait or not self._inbox.empty():
            self._take(self._inbox.get())
            wait = False

    def _take(self, entry: Any) -> None:
        if isinstance(entry, BlipRequest):
            self._take_in(entry)
            self._batching.came()
            self._vision.take(entry)
        elif isinstance(entry, Encoded):
            self._vision.end(entry)

    def _wait(self, seconds: float) -> None:
        """Takes what comes next into the inbox, unless nothing does for some seconds."""
        if seconds:
            with suppress(queue.Empty):
                self._take(self._inbox.get(timeout=seconds))

    def _seen(self, request: BlipRequest) -> None:
        """Sends a request on whose image is encoded."""
        assert request.image.states is not None
        if request.question is None:
            self._generate(self._captions, request, request.image.states)
        else:
            self._questions.waiting.put(request, urgent=request.urgent)

    def _understood(self, request: BlipRequest, states: States) -> None:
        """Sends a request on whose question is encoded: to be answered, or to have its choices scored."""
        if request.choice_ids:
            self._choices.put(request, states)
        else:
            self._generate(self._answers, request, states)

    def _generate(self, lane: DecoderLane, request: BlipRequest, states: States) -> None:
        for row in self._generator.rows(request, states):
            lane.waiting.put(row, urgent=request.urgent)

    def _matched(self, request: BlipRequest, score: float) -> None:
        if reason := spoiled([score]):
            self._under_way.fail(request, reason)
        else:
            self._under_way.finish(request, match_answer(request, score))

    def _chosen(self, request: BlipRequest) -> None:
        question = request.question
        assert question is not None
        scores = [request.scores[index] for index in range(len(request.choice_ids))]
        self._under_way.finish(request, choice_answer(question, scores, [len(ids) for ids in request.choice_ids]))


def _lane(graphs: Graphs, manifest: BlipManifest, width: int) -> DecoderLane:
    return DecoderLane(
        graphs.text_decoder,
        graphs.states,
        graphs.step_form,
        manifest.sizes,
        width=width,
        slots=LANE_SLOTS,
        urgent_slots=URGENT_SLOTS,
        start=manifest.tokens.start,
        end=manifest.tokens.end,
    )
