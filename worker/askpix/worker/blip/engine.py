"""The BLIP engine: one thread that decides, from what is waiting, what the device does next.

    image ▶ vision encoder ┬──────────────────▶ caption lane ▶ caption
                           └▶ question encoder ▶ answer lane ▶ answer, choice

The vision encoder runs in async infer requests while the thread steps the decoders; nothing waits for a
batch to fill. All state belongs to the thread: requests come in, and encoded images come back, through
one inbox.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from pathlib import Path

import numpy as np
import openvino as ov

from askpix.producer.errors import ModelError
from askpix.producer.rows import Answer
from askpix.worker.blip.answers import choice_answer, text_answer
from askpix.worker.blip.lane import DecoderLane, Sequence
from askpix.worker.blip.reading import RequestReader
from askpix.worker.blip.text import BlipTokenizer, padded
from askpix.worker.blip.work import BlipImage, Encoded, Floats, Job, VisionRequest
from askpix.worker.engine.base import Ability, Engine, EngineInfo, ImageForm, ImageHandle, Pixels, Request, Ticket
from askpix.worker.engine.devices import Compiler, Precision, precision_of
from askpix.worker.errors import EngineStoppedError, RequestError
from askpix.worker.models.manifest import load_manifest

_log = logging.getLogger(__name__)

VISION_BATCH = 4
"""Images that are encoded together: on a CPU, more gain nothing (measured at the base size)."""

VISION_REQUESTS = 2
"""Vision batches under way: one computes while the next is ready to."""

QUESTION_BATCH = 16
LANE_SLOTS = 32
"""Rows that decode together: per row a step costs a tenth of what it costs alone (measured at the base size)."""

CAPACITY = 256
"""Requests under way; `submit` waits when there are more."""


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
        self._manifest = manifest
        self._tokenizer = BlipTokenizer(folder, manifest)
        self._reader = RequestReader(manifest, self._tokenizer)
        vision = _compile(compiler, folder / "vision_encoder.xml")
        decoder = _compile(compiler, folder / "text_decoder.xml")
        encoder = _compile(compiler, folder / "text_encoder.xml") if Ability.ANSWER in manifest.abilities else None
        self._text_encoder = None if encoder is None else encoder.create_infer_request()
        self._captions = self._lane(decoder, manifest.sizes.image_hidden)
        self._answers = self._lane(decoder, manifest.sizes.hidden)
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
        self._inbox: queue.SimpleQueue[Job | Encoded | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(CAPACITY)
        self._under_way: set[Job] = set()
        self._images: deque[BlipImage] = deque()
        self._questions: deque[Job] = deque()
        self._idle = [VisionRequest(vision, self._inbox) for _ in range(VISION_REQUESTS)]
        self._closing = False
        self._gate = threading.Lock()
        """Held to look at `_closing` and act on it: what is put into the inbox is answered, or told."""
        self._dead: BaseException | None = None
        self._counts = dict.fromkeys(("images", "vision_batches", "questions", "question_batches", "answers"), 0)
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
        self._room.acquire()
        with self._gate:
            if not self._closing:
                self._inbox.put(job)
                return job.ticket
        self._room.release()
        raise EngineStoppedError from self._dead

    def counters(self) -> Mapping[str, int]:
        lanes = {"caption": self._captions, "answer": self._answers}
        steps = {f"{name}_steps": lane.steps for name, lane in lanes.items()}
        return {**self._counts, **steps, **{f"{name}_rows": lane.rows for name, lane in lanes.items()}}

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
            for job in list(self._under_way):
                self._fail(job, EngineStoppedError())

    def _turn(self) -> bool:
        """Does what there is to do once; returns False when the engine is closed and done."""
        self._receive()
        self._start_vision()
        for stage in (self._encode_questions, self._captions.step, self._answers.step):
            try:
                stage()
            except Exception:  # noqa: BLE001
                # The device failed one batch. Its tickets were told; the engine goes on with the others.
                _log.exception("a batch failed on %s", self.info.device)
        return not (self._closing and not self._under_way and self._inbox.empty())

    def _receive(self) -> None:
        """Takes everything from the inbox; waits for something when there is nothing else to do."""
        wait = not (self._questions or self._captions.busy or self._answers.busy or (self._images and self._idle))
        wait = wait and not (self._closing and not self._under_way)
        while wait or not self._inbox.empty():
            entry = self._inbox.get()
            wait = False
            if isinstance(entry, Job):
                self._under_way.add(entry)
                self._look(entry)
            elif isinstance(entry, Encoded):
                self._encoded(entry)

    def _look(self, job: Job) -> None:
        image = job.image
        if image.states is not None:
            self._seen(job)
        elif image.waiting is not None:
            image.waiting.append(job)
        else:
            image.waiting = [job]
            self._images.append(image)

    def _start_vision(self) -> None:
        while self._images and self._idle:
            batch: list[BlipImage] = []
            while self._images and len(batch) < VISION_BATCH:
                image = self._images.popleft()
                image.waiting = [job for job in image.waiting or () if not self._abandoned(job)]
                if image.waiting:
                    batch.append(image)
                else:
                    image.waiting = None
            if batch:
                self._begin(self._idle.pop(), batch)

    def _begin(self, request: VisionRequest, batch: list[BlipImage]) -> None:
        try:
            request.begin(batch)
        except Exception as error:  # noqa: BLE001
            _log.exception("images could not be given to %s", self.info.device)
            self._idle.append(request)
            for image in batch:
                waiting, image.waiting = image.waiting or [], None
                for job in waiting:
                    self._fail(job, error)

    def _encoded(self, encoded: Encoded) -> None:
        self._idle.append(encoded.request)
        waiting = []
        for image in encoded.images:
            waiting += image.waiting or []
            image.waiting = None
        try:
            states = encoded.request.states()
        except RuntimeError as error:
            for job in waiting:
                self._fail(job, error)
            return
        self._counts["vision_batches"] += 1
        self._counts["images"] += len(encoded.images)
        for image, own in zip(encoded.images, states, strict=True):
            image.states, image.pixels = own.copy(), None
        for job in waiting:
            self._seen(job)

    def _seen(self, job: Job) -> None:
        """Sends a request on whose image is encoded."""
        assert job.image.states is not None
        if job.question is None:
            self._captions.waiting.append(
                self._sequence(job, job.image.states, forced=job.prompt_ids, scored_from=len(job.prompt_ids))
            )
        else:
            self._questions.append(job)

    def _encode_questions(self) -> None:
        batch: list[Job] = []
        while self._questions and len(batch) < QUESTION_BATCH:
            job = self._questions.popleft()
            if not self._abandoned(job):
                batch.append(job)
        if not batch:
            return
        try:
            states = self._question_states(batch)
        except BaseException as error:
            for job in batch:
                self._fail(job, error)
            raise
        self._counts["question_batches"] += 1
        self._counts["questions"] += len(batch)
        for job, own in zip(batch, states, strict=True):
            if not job.choice_ids:
                self._answers.waiting.append(self._sequence(job, own))
            for index, ids in enumerate(job.choice_ids):
                self._answers.waiting.append(self._sequence(job, own, forced=ids, choice=index))

    def _question_states(self, batch: SequenceOf[Job]) -> list[Floats]:
        """Returns float32 [N, hidden] for each request, N being the length of its own question."""
        assert self._text_encoder is not None
        ids, mask = padded([job.question_ids for job in batch], self._manifest.tokens.pad)
        images = np.stack([job.image.states for job in batch if job.image.states is not None])
        for name, array in (("ids", ids), ("mask", mask), ("image_states", images)):
            self._text_encoder.set_tensor(name, ov.Tensor(array, shared_memory=True))
        self._text_encoder.infer()
        states = self._text_encoder.get_tensor("states").data
        return [own[: len(job.question_ids)].copy() for job, own in zip(batch, states, strict=True)]

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
                self._finish(job, text_answer(job, sequence, self._tokenizer))
            else:
                job.scores[choice] = sum(sequence.log_probabilities)
                if len(job.scores) == len(job.choice_ids):
                    self._finish(job, choice_answer(job))

        return Sequence(
            states=states,
            forced=list(forced),
            scored_from=scored_from,
            max_new_tokens=job.max_new_tokens if choice is None else len(forced),
            finished=finished,
            abandoned=lambda: job.ticket.abandoned() or (_OVER if job.ticket.done() else None),
            failed=lambda error: self._fail(job, error),
        )

    def _abandoned(self, job: Job) -> bool:
        if reason := job.ticket.abandoned():
            self._fail(job, reason)
            return True
        return False

    def _finish(self, job: Job, answer: Answer) -> None:
        self._counts["answers"] += 1
        job.ticket.resolve(answer)
        self._leave(job)

    def _fail(self, job: Job, error: BaseException) -> None:
        if not isinstance(error, RequestError | EngineStoppedError):
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            error = RequestError("model_failed", f"the model failed on this request: {first_line}", retryable=True)
        job.ticket.fail(error)
        self._leave(job)

    def _leave(self, job: Job) -> None:
        if job in self._under_way:
            self._under_way.remove(job)
            self._room.release()

    # Building. --------------------------------------------------------------------------------------

    def _lane(self, decoder: ov.CompiledModel, width: int) -> DecoderLane:
        tokens = self._manifest.tokens
        return DecoderLane(
            decoder, self._manifest.sizes, width=width, slots=LANE_SLOTS, start=tokens.start, end=tokens.end
        )


_OVER = RequestError("cancelled", "the request has ended already")


def _compile(compiler: Compiler, path: Path) -> ov.CompiledModel:
    try:
        return compiler.compile(compiler.read(path))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-300:]
        raise ModelError(f"{path} cannot be compiled for {compiler.device}: {reason}") from error
