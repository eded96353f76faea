"""Requests in: texts become ids, and what the model cannot do is refused before it costs anything."""

from __future__ import annotations

from askpix.producer.items import Options, Question
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.work import BlipImage, Job
from askpix.worker.engine.base import Ability, Request, Ticket
from askpix.worker.errors import RequestError
from askpix.worker.models.manifest import Manifest


class RequestReader:
    """Reads requests for one model."""

    def __init__(self, manifest: Manifest, tokenizer: BlipTokenizer) -> None:
        self._name = manifest.name
        self._abilities = manifest.abilities
        self._longest = manifest.sizes.max_positions
        self._max_new_tokens = manifest.generation.max_new_tokens
        self._tokenizer = tokenizer

    def read(self, request: Request, owner: object) -> Job:
        """Returns a request as a job of the engine `owner`.

        Raises:
            RequestError: this model cannot answer it.
            ValueError: the image was given to another engine.
        """
        if len(request.images) != 1:
            raise RequestError("too_many_images", f"{self._name} looks at one image at a time")
        image = request.images[0]
        if not isinstance(image, BlipImage) or image.owner is not owner:
            raise ValueError("the image handle is of another engine")
        asked = request.options.max_new_tokens
        job = Job(
            image=image,
            question=request.question,
            max_new_tokens=self._max_new_tokens if asked is None else asked,
            urgent=request.urgent,
            ticket=Ticket(request.deadline),
        )
        if request.question is None:
            self._read_prompt(job, request.options)
        else:
            self._read_question(job, request.question)
        return job

    def _read_prompt(self, job: Job, options: Options) -> None:
        if options.prompt:
            job.prompt_ids = self._tokenizer.encode_prompt(options.prompt)
        self._check_length("the prompt and max_new_tokens", len(job.prompt_ids) + job.max_new_tokens)

    def _read_question(self, job: Job, question: Question) -> None:
        if Ability.ANSWER not in self._abilities:
            raise RequestError("cannot_answer", f"{self._name} captions images, it does not answer questions")
        if not question.text.strip():
            raise RequestError("empty_question", "the question is empty")
        job.question_ids = self._tokenizer.encode_question(question.text)
        self._check_length("the question", len(job.question_ids))
        job.choice_ids = [self._tokenizer.encode_answer(choice) for choice in question.choices or ()]
        if len(set(map(tuple, job.choice_ids))) < len(job.choice_ids) or any(len(ids) < 2 for ids in job.choice_ids):
            raise RequestError("choices_alike", f"{self._name} cannot tell some of the choices apart: word them anew")
        self._check_length("the answer", max(map(len, job.choice_ids), default=job.max_new_tokens))

    def _check_length(self, what: str, length: int) -> None:
        if length > self._longest:
            raise RequestError("too_long", f"{what} come to {length} tokens; {self._name} takes {self._longest}")
