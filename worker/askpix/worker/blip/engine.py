"""The BLIP engine: one thread that decides, from what is waiting, what the device does next.

    image ▶ vision encoder ┬────────────────────▶ caption lane ▶ caption
                           └▶ question encoder ┬▶ answer lane ▶ answer
                                               ├▶ choice stage ▶ choice
                                               └▶ match

The device does one thing at a time, and that is cheapest in full batches. So the thread runs a stage that has
a full batch, of several the last; where none has, it encodes more images; and where there are none, it runs
what there is. Nothing waits for a
batch to fill that no work on its way could fill. All state belongs to the thread: requests come in, and
encoded images come back, through one inbox. Urgent requests go first wherever requests wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from askpix.worker.blip.answers import match_answer
from askpix.worker.blip.choices import ChoiceStage
from askpix.worker.blip.forms import Forms, Most
from askpix.worker.blip.generating import Generator
from askpix.worker.blip.graphs import Graphs, compile_graphs
from askpix.worker.blip.lane import DecoderLane
from askpix.worker.blip.questions import BATCH_TOKENS, QUESTION_BATCH, QuestionStage
from askpix.worker.blip.reading import RequestReader
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.vision import Encoded, VisionStage
from askpix.worker.blip.work import BlipImage, Job, States
from askpix.worker.digests import Digests
from askpix.worker.engine.base import EngineInfo, ImageHandle, Measures, Request
from askpix.worker.engine.choosing import choice_answer
from askpix.worker.engine.devices import Compiler, Precision, computes_on, precision_of
from askpix.worker.engine.failures import spoiled
from askpix.worker.engine.threaded import ThreadedEngine
from askpix.worker.image_form import ImageForm, Pixels
from askpix.worker.instruments import StageHistograms
from askpix.worker.models.blip_manifest import BlipManifest
from askpix.worker.models.folder import load_blip
from askpix.worker.starting import stage

_log = logging.getLogger(__name__)

LANE_SLOTS = 32
"""Rows that decode together: per row, a step costs a fifth of what it costs alone (bf16, base size: 56 and 9.7 ms)."""

URGENT_SLOTS = 8
"""Places that urgent rows have beside those: one joins the next step though others hold all of them."""

PATIENCE = 16
"""Turns of other stages after which one that has work runs, full or not."""

CAPACITY = 256
"""Requests under way, the urgent ones not counted; `submit` waits when there are more."""


class BlipEngine(ThreadedEngine[Job]):
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
        super().__init__(Job, CAPACITY)
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
            _Turns("question_encoder", self._questions, lambda: self._questions.questions),
            _Turns("choices", self._choices, lambda: self._choices.choices),
            _Turns("answer_decoder", self._answers, lambda: self._answers.rows),
            _Turns("caption_decoder", self._captions, lambda: self._captions.rows),
        )
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

    def _read(self, request: Request) -> Job:
        return self._reader.read(request, self)

    # Called from the engine's thread. ---------------------------------------------------------------

    def _turn(self) -> bool:
        """Does what there is to do once; returns False when the engine is closed and done."""
        self._receive()
        self._ended_at = time.monotonic()
        if not self._vision.busy:
            self._use_device()
        return not (self._closing and not self._under_way and self._inbox.empty())

    def _use_device(self) -> None:
        """Begins a wave of images, or runs the stages whose turn it is."""
        chosen = self._chosen_stages()
        if not chosen:
            self._vision.begin()
            return
        for one in self._stages:
            one.waited += 1
        for one in chosen:
            self._step(one)

    def _chosen_stages(self) -> list[_Turns]:
        """Returns the stages that the device is to work for next; none, where that is the vision encoder."""
        if self._vision.urgent:
            return []
        # Urgent ones that came together stay together, so the first stage first; the others, from the last one.
        orders = ((_Turns.is_urgent, 1), (_Turns.is_overdue, -1), (_Turns.is_full, -1))
        for at_once, order in orders:
            for one in self._stages[::order]:
                if at_once(one):
                    return [one]
        if self._vision.ready:
            return []
        return [one for one in self._stages if one.busy]

    def _step(self, stage: _Turns) -> None:
        try:
            stage.step()
        except Exception as error:  # noqa: BLE001
            # The device failed one batch. Its tickets were told; the engine goes on with the others.
            with self._under_way.about_failed(error):
                _log.exception("a batch failed on %s", self.info.device)

    def _receive(self) -> None:
        """Takes everything from the inbox; waits for something when there is nothing else to do."""
        idle = not (self._vision.ready or any(stage.busy for stage in self._stages))
        wait = self._vision.busy or (idle and not (self._closing and not self._under_way))
        while wait or not self._inbox.empty():
            entry = self._inbox.get()
            wait = False
            if isinstance(entry, Job):
                if not self._under_way:
                    self._ended_at = time.monotonic()
                self._under_way.add(entry)
                self._vision.take(entry)
            elif isinstance(entry, Encoded):
                self._vision.end(entry)

    def _seen(self, job: Job) -> None:
        """Sends a request on whose image is encoded."""
        assert job.image.states is not None
        if job.question is None:
            self._generate(self._captions, job, job.image.states)
        else:
            self._questions.waiting.put(job, urgent=job.urgent)

    def _understood(self, job: Job, states: States) -> None:
        """Sends a request on whose question is encoded: to be answered, or to have its choices scored."""
        if job.choice_ids:
            self._choices.put(job, states)
        else:
            self._generate(self._answers, job, states)

    def _generate(self, lane: DecoderLane, job: Job, states: States) -> None:
        for row in self._generator.rows(job, states):
            lane.waiting.put(row, urgent=job.urgent)

    def _matched(self, job: Job, score: float) -> None:
        if reason := spoiled([score]):
            self._under_way.fail(job, reason)
        else:
            self._under_way.finish(job, match_answer(job, score))

    def _chosen(self, job: Job) -> None:
        question = job.question
        assert question is not None
        scores = [job.scores[index] for index in range(len(job.choice_ids))]
        self._under_way.finish(job, choice_answer(question, scores, [len(ids) for ids in job.choice_ids]))


class _Turns:
    """A stage behind the vision encoder, and how many turns it has waited for more to do.

    Args:
        done: says how many questions, choices or rows it has computed.
    """

    def __init__(self, name: str, stage: QuestionStage | ChoiceStage | DecoderLane, done: Callable[[], int]) -> None:
        self.name = name
        self._stage = stage
        self._done = done
        self.histograms = StageHistograms()
        self.waited = 0

    @property
    def busy(self) -> bool:
        return self._stage.busy

    def is_urgent(self) -> bool:
        return self._stage.urgent

    def is_full(self) -> bool:
        return self._stage.full

    def is_overdue(self) -> bool:
        return self.busy and self.waited >= PATIENCE

    def step(self) -> None:
        self.waited = 0
        before, began = self._done(), time.perf_counter()
        self._stage.step()
        if computed := self._done() - before:
            self.histograms.add(time.perf_counter() - began, computed)


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
