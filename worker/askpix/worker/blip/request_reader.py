"""Requests in: texts become ids, and what the model cannot do is refused before it costs anything."""

from __future__ import annotations

from functools import lru_cache

from askpix.producer.generation import Generation
from askpix.producer.items import Options
from askpix.producer.questions import Question
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.work import BlipImage, BlipRequest
from askpix.worker.engine.base import Ability, Request
from askpix.worker.engine.growing import Growing
from askpix.worker.engine.requests import only_image, with_defaults
from askpix.worker.engine.settled import Settled
from askpix.worker.engine.ticket import Ticket
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.models.blip_manifest import MAX_NEW_TOKENS, BlipManifest


class RequestReader:
    """Reads requests for one model."""

    def __init__(self, manifest: BlipManifest, tokenizer: BlipTokenizer) -> None:
        self._name = manifest.name
        self._abilities = manifest.abilities
        self._does = "captions images" if Ability.CAPTION in self._abilities else "scores how well texts fit images"
        self._longest = manifest.sizes.max_positions
        self._defaults = manifest.generation
        # A job's requests have the same options, and validating what comes of them takes ten times this.
        self._settings = lru_cache(maxsize=64)(self._merged)
        self._tokenizer = tokenizer

    def read(self, request: Request, owner: object) -> BlipRequest:
        """Returns a request as one of the engine `owner`.

        Raises:
            RequestError: this model cannot answer it.
            ValueError: the image was given to another engine.
        """
        image = only_image(request, BlipImage, owner, self._name)
        self._refuse_what_needs_a_chat(request)
        question = request.question
        is_scored = question is not None and question.is_scored
        settings = Generation() if is_scored else self._settings(request.options)
        begun: list[int] = []
        taken = BlipRequest(
            image=image,
            question=request.question,
            settings=settings,
            max_new_tokens=settings.max_new_tokens or MAX_NEW_TOKENS,
            urgent=request.urgent,
            follows=request.follows,
            ticket=Ticket(request.deadline, request.seconds, self._growing(request, settings, begun)),
            prompt_ids=begun,
        )
        if request.question is None:
            self._read_prompt(taken, request.options)
        else:
            self._read_question(taken, request.question)
        return taken

    def _growing(self, request: Request, settings: Generation, begun: list[int]) -> Growing | None:
        """Returns what the text's tokens are told to; None where it is not known before it has ended.

        Args:
            begun: tokens before them, once they are read.
        """
        question = request.question
        scored = question is not None and question.is_scored
        if not request.stream or scored or settings.beams > 1 or settings.texts > 1:
            return None
        return Growing(Settled(lambda ids: self._tokenizer.decode([*begun, *ids]), "", ()))

    def _refuse_what_needs_a_chat(self, request: Request) -> None:
        question = request.question
        for name, given in (
            ("question after another", request.history),
            ("JSON schema", question is not None and question.json_schema),
            ("system text", request.options.system),
            ("texts to stop at", request.options.stop),
        ):
            if given:
                raise RequestError(Code.NEEDS_CHAT, f"{self._name} is a BLIP, and takes no {name}")

    def _merged(self, options: Options) -> Generation:
        return with_defaults(options, self._defaults, self._name)

    def _read_prompt(self, taken: BlipRequest, options: Options) -> None:
        if Ability.CAPTION not in self._abilities:
            raise RequestError(Code.CANNOT_CAPTION, f"{self._name} {self._does}, it does not caption: give it a text")
        if options.prompt:
            taken.prompt_ids += self._tokenizer.encode_prompt(options.prompt)
        self._check_length("the prompt and max_new_tokens", len(taken.prompt_ids) + taken.max_new_tokens)

    def _read_question(self, taken: BlipRequest, question: Question) -> None:
        if question.match and Ability.MATCH not in self._abilities:
            raise RequestError(Code.CANNOT_MATCH, f"{self._name} was not trained to score how well texts fit images")
        if not question.match and Ability.ANSWER not in self._abilities:
            raise RequestError(Code.CANNOT_ANSWER, f"{self._name} {self._does}, it does not answer questions")
        if not question.text.strip():
            raise RequestError(Code.EMPTY_QUESTION, f"the {'text' if question.match else 'question'} is empty")
        taken.question_ids = self._tokenizer.encode_question(question.text)
        self._check_length("the question", len(taken.question_ids))
        taken.choice_ids = [self._tokenizer.encode_answer(choice) for choice in question.choices or ()]
        if len(set(map(tuple, taken.choice_ids))) < len(taken.choice_ids) or any(
            len(ids) < 2 for ids in taken.choice_ids
        ):
            raise RequestError(
                Code.CHOICES_ALIKE, f"{self._name} cannot tell some of the choices apart: word them anew"
            )
        if not question.match:
            self._check_length("the answer", max(map(len, taken.choice_ids), default=taken.max_new_tokens))

    def _check_length(self, what: str, length: int) -> None:
        if length > self._longest:
            raise RequestError(Code.TOO_LONG, f"{what} come to {length} tokens; {self._name} takes {self._longest}")
