"""The BLIP engine: one thread that decides, from what is waiting, what the device does next.

    image ▶ vision encoder ┬──────────────────▶ caption lane ▶ caption
                           └▶ question encoder ▶ answer lane ▶ answer, choice

The vision encoder runs in async infer requests while the thread steps the decoders; nothing waits for a
batch to fill. All state belongs to the thread: requests come in, and encoded images come back, through
one inbox. Urgent requests go first wherever requests wait, and share batches and steps with the others.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path

import numpy as np
import openvino as ov

from askpix.producer.errors import ModelError
from askpix.worker.blip.answers import choice_answer, text_answer
from askpix.worker.blip.failures import reason_of
from askpix.worker.blip.lane import DecoderLane, Sequence
from askpix.worker.blip.questions import QuestionStage
from askpix.worker.blip.reading import RequestReader
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.under_way import UnderWay
from askpix.worker.blip.vision import Encoded, VisionStage
from askpix.worker.blip.work import BlipImage, Floats, Job
from askpix.worker.engine.base import Ability, Engine, EngineInfo, ImageForm, ImageHandle, Pixels, Request, Ticket
from askpix.worker.engine.devices import Compiler, Precision, precision_of
from askpix.worker.errors import EngineStoppedError, RequestError
from askpix.worker.models.manifest import Manifest, load_manifest

_log = logging.getLogger(__name__)

LANE_SLOTS = 32
"""Rows that decode together: per row a step costs a tenth of what it costs alone (measured at the base size)."""

URGENT_SLOTS = 8
"""Places that urgent rows have beside those: one joins the next step though others hold all of them."""

CAPACITY = 256
"""Requests under way, the urgent ones not counted; `submit` waits when there are more."""


class BlipEngine(Engine):
    """Answers with one BLIP model on one device.

    Args:
        folder: a model folder made by `askpix model convert`.
        device: as OpenVINO names it, such as CPU or GPU.1.
        precision: in which numbers to compute.
        cache: where compiled graphs are kept for the next start.

    Raises:
        ModelError: the folder cannot be used.
        DeviceError: the device is not there or cannot compute in that precision.
    """

    def __init__(
        self, folder: Path, device: str = "CPU", precision: Precision = Precision.AUTO, cache: Path | None = None
    ) -> None:
        manifest = load_manifest(folder)
        compiler = Compiler(device, precision, cache)
        self._tokenizer = BlipTokenizer(folder, manifest)
        self._reader = RequestReader(manifest, self._tokenizer)
        vision = _compile(compiler, folder / "vision_encoder.xml")
        decoder = _compile(compiler, folder / "text_decoder.xml")
        encoder = _compile(compiler, folder / "text_encoder.xml") if Ability.ANSWER in manifest.abilities else None
        self._inbox: queue.SimpleQueue[Job | Encoded | None] = queue.SimpleQueue()
        self._under_way = UnderWay(CAPACITY)
        self._vision = VisionStage(vision, self._inbox, self._under_way, self._seen)
        self._questions = QuestionStage(encoder, manifest.tokens.pad, self._under_way, self._understood)
        self._captions = _lane(decoder, manifest, manifest.sizes.image_hidden)
        self._answers = _lane(decoder, manifest, manifest.sizes.hidden)
        self.abilities = manifest.abilities
        self.image_form = ImageForm(
            width=manifest.image.width, height=manifest.image.height, resample=manifest.image.resample
        )
        self.info = EngineInfo(
            model=manifest.name,
            fingerprint=manifest.fingerprint,
            device=compiler.device,
            precision=precision_of(decoder),
        )
        self._closing = False
        self._gate = threading.Lock()
        """Held to look at `_closing` and act on it: what is put into the inbox is answered, or told."""
        self._dead: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="askpix-engine", daemon=True)
        self._thread.start()

    # Called from any thread. ----------------------------------------------------------------------

    def open_image(self, pixels: Pixels) -> ImageHandle:
        form = self.image_form
        if pixels.dtype != np.uint8 or pixels.shape != (form.height, form.width, 3):
            raise ValueError(f"uint8 [{form.height}, {form.width}, 3] is needed, not {pixels.dtype} {pixels.shape}")
        return BlipImage(self, pixels)

    def submit(self, request: Request) -> Ticket:
        job = self._reader.read(request, self)
        self._under_way.wait_for_room(job)
        with self._gate:
            if not self._closing:
                self._inbox.put(job)
                return job.ticket
        self._under_way.give_up_room(job)
        raise EngineStoppedError from self._dead

    def counters(self) -> Mapping[str, int]:
        return {
            "images": self._vision.images,
            "vision_batches": self._vision.batches,
            "questions": self._questions.questions,
            "question_batches": self._questions.batches,
            "answers": self._under_way.answers,
            "caption_steps": self._captions.steps,
            "caption_rows": self._captions.rows,
            "answer_steps": self._answers.steps,
            "answer_rows": self._answers.rows,
        }

    def close(self) -> None:
        with self._gate:
            self._closing = True
        self._inbox.put(None)
        self._thread.join()

    # Called from the engine's thread. ---------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as error:  # noqa: BLE001 - the thread must not die silently
            self._dead = error
            _log.critical("the engine has stopped", exc_info=error)
        finally:
            with self._gate:
                self._closing = True
            while not self._inbox.empty():
                if isinstance(job := self._inbox.get(), Job):
                    self._under_way.add(job)
            self._under_way.fail_all(EngineStoppedError())

    def _turn(self) -> bool:
        """Does what there is to do once; returns False when the engine is closed and done."""
        self._receive()
        self._vision.begin()
        for stage in (self._questions, self._captions, self._answers):
            try:
                stage.step()
            except Exception:  # noqa: BLE001
                # The device failed one batch. Its tickets were told; the engine goes on with the others.
                _log.exception("a batch failed on %s", self.info.device)
        return not (self._closing and not self._under_way and self._inbox.empty())

    def _receive(self) -> None:
        """Takes everything from the inbox; waits for something when there is nothing else to do."""
        wait = not (self._questions.waiting or self._captions.busy or self._answers.busy or self._vision.ready)
        wait = wait and not (self._closing and not self._under_way)
        while wait or not self._inbox.empty():
            entry = self._inbox.get()
            wait = False
            if isinstance(entry, Job):
                self._under_way.add(entry)
                self._vision.take(entry)
            elif isinstance(entry, Encoded):
                self._vision.end(entry)

    def _seen(self, job: Job) -> None:
        """Sends a request on whose image is encoded."""
        assert job.image.states is not None
        if job.question is None:
            sequence = self._sequence(job, job.image.states, forced=job.prompt_ids, scored_from=len(job.prompt_ids))
            self._captions.waiting.put(sequence, urgent=job.urgent)
        else:
            self._questions.waiting.put(job, urgent=job.urgent)

    def _understood(self, job: Job, states: Floats) -> None:
        """Sends a request on whose question is encoded: to be answered, or each of its choices to be scored."""
        if not job.choice_ids:
            self._answers.waiting.put(self._sequence(job, states), urgent=job.urgent)
        for index, ids in enumerate(job.choice_ids):
            self._answers.waiting.put(self._sequence(job, states, forced=ids, choice=index), urgent=job.urgent)

    def _sequence(
        self,
        job: Job,
        states: Floats,
        *,
        forced: SequenceOf[int] = (),
        scored_from: int = 0,
        choice: int | None = None,
    ) -> Sequence:
        def finished(sequence: Sequence) -> None:
            if choice is None:
                self._under_way.finish(job, text_answer(job, sequence, self._tokenizer))
            else:
                job.scores[choice] = sum(sequence.log_probabilities)
                if len(job.scores) == len(job.choice_ids):
                    self._under_way.finish(job, choice_answer(job))

        return Sequence(
            states=states,
            forced=list(forced),
            scored_from=scored_from,
            max_new_tokens=job.max_new_tokens if choice is None else len(forced),
            finished=finished,
            abandoned=lambda: job.ticket.abandoned() or (_OVER if job.ticket.done() else None),
            failed=lambda error: self._under_way.fail(job, error),
        )


_OVER = RequestError("cancelled", "the request has ended already")


def _lane(decoder: ov.CompiledModel, manifest: Manifest, width: int) -> DecoderLane:
    return DecoderLane(
        decoder,
        manifest.sizes,
        width=width,
        slots=LANE_SLOTS,
        urgent_slots=URGENT_SLOTS,
        start=manifest.tokens.start,
        end=manifest.tokens.end,
    )


def _compile(compiler: Compiler, path: Path) -> ov.CompiledModel:
    try:
        return compiler.compile(compiler.read(path))
    except RuntimeError as error:
        raise ModelError(f"{path} cannot be compiled for {compiler.device}: {reason_of(error)}") from error
