"""Requests in: texts become prompts, and what the model cannot do is refused before it costs anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache

from askpix.producer.generation import Generation
from askpix.producer.items import Options, Turn
from askpix.producer.questions import Question
from askpix.worker.engine.base import Ability, Request
from askpix.worker.engine.growing import Growing
from askpix.worker.engine.requests import one_at_a_time, own_images, with_defaults
from askpix.worker.engine.settled import Settled
from askpix.worker.engine.ticket import Ticket
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.models.vlm_manifest import VlmManifest
from askpix.worker.vlm.ends import Ends
from askpix.worker.vlm.image_tokens import image_tokens
from askpix.worker.vlm.schemas import check_schema
from askpix.worker.vlm.templates import CAPTION
from askpix.worker.vlm.texts import Cleaner
from askpix.worker.vlm.work import VlmImage, VlmRequest

MAX_NEW_TOKENS = 256
"""Of a text, where neither the model folder nor the request says."""

_CHARACTERS = 20_000
"""Of a text whose columns are filled in: what is longer costs too much to count its tokens."""

_CHOICE_BYTES = 512
"""Of the longest choice, in UTF-8: it has no more tokens than that, however it is written."""


class RequestReader:
    """Reads requests for one model.

    Args:
        count: returns how many tokens a prompt has, the first one that the model begins with included.
        capacity: how many tokens' keys and values there is memory for.
        decode: returns the text of tokens. Like `count`, it is used from any thread.
        ends: what ends the model's texts.
    """

    def __init__(
        self,
        manifest: VlmManifest,
        count: Callable[[str], int],
        capacity: int,
        decode: Callable[[Sequence[int]], str],
        ends: Ends,
    ) -> None:
        self._name = manifest.name
        self._template = manifest.conversation
        self._takes_several = Ability.IMAGES in manifest.offered
        self._form = manifest.image_tokens
        self._context = manifest.language.context
        self._capacity = capacity
        self._cleaner = Cleaner((*manifest.reserved, *self._template.reserved))
        self._count = count
        self._decode = decode
        self._ends = ends
        self._defaults = manifest.generation
        # A job's requests have the same options, and validating what comes of them takes long.
        self._settings = lru_cache(maxsize=64)(self._merged)

    def read(self, request: Request, owner: object) -> VlmRequest:
        """Returns a request as one of the engine `owner`.

        Raises:
            RequestError: this model cannot answer it.
            ValueError: the image was given to another engine.
        """
        if len(request.images) > 1 and not self._takes_several:
            raise one_at_a_time(self._name)
        images = own_images(request, VlmImage, owner)
        question, options = request.question, request.options
        settings = self._settings(options)
        if question is not None:
            self._check(question, settings)
        begun = self._clean(options.prompt or "") if question is None else ""
        written = self._prompt(request, begun)
        # A tag counts as one token. The pipeline puts the break after it that transformers is given.
        prompt_tokens = self._count(written) - len(images)
        prompt_tokens += sum(image_tokens(self._form, image.width, image.height) for image in images)
        prompt = written.replace(self._template.image, self._template.tag)
        scored = question is not None and question.choices is not None
        own, of_request = self._stops(question, settings)
        sought = (*self._ends.sought(own), *of_request)
        taken = VlmRequest(
            images=images,
            question=question,
            prompt=prompt,
            begun=begun,
            settings=Generation() if scored else settings,
            stops=(*own, *of_request),
            sought=sought,
            max_new_tokens=_longest(question) if scored else settings.max_new_tokens or MAX_NEW_TOKENS,
            prompt_tokens=prompt_tokens,
            seed=_seed(settings, prompt, images),
            urgent=request.urgent,
            follows=request.follows,
            ticket=Ticket(request.deadline, request.seconds, self._growing(request, settings, begun, sought)),
        )
        self._check_length(taken)
        return taken

    def _stops(self, question: Question | None, settings: Generation) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns the texts that end what is generated: the template's, and the request's.

        The template's do not where the text keeps to a form of its own.
        """
        if question is not None and question.choices is not None:
            return (), ()
        of_request = settings.stop or ()
        if question is not None and question.json_schema is not None:
            return (), of_request
        return self._template.stops, of_request

    def _growing(self, request: Request, settings: Generation, begun: str, sought: tuple[str, ...]) -> Growing | None:
        """Returns what the text's tokens are told to; None where it is not known before it has ended."""
        question = request.question
        weighed = question is not None and (question.choices is not None or question.json_schema is not None)
        if not request.stream or weighed or settings.beams > 1 or settings.texts > 1:
            return None
        return Growing(Settled(self._decode, begun, sought))

    def _check(self, question: Question, settings: Generation) -> None:
        if question.match:
            raise RequestError(Code.CANNOT_MATCH, f"{self._name} was not trained to score how well texts fit images")
        if not question.text.strip():
            raise RequestError(Code.EMPTY_QUESTION, "the question is empty")
        choices = [self._clean(choice).strip() for choice in question.choices or ()]
        if len(set(choices)) < len(choices) or not all(choices):
            raise RequestError(
                Code.CHOICES_ALIKE, f"{self._name} cannot tell some of the choices apart: word them anew"
            )
        if any(len(choice.encode()) > _CHOICE_BYTES for choice in choices):
            raise RequestError(Code.TOO_LONG, f"a choice has more than {_CHOICE_BYTES} bytes")
        if question.json_schema is not None:
            check_schema(question.json_schema)
            if settings.beams > 1:
                raise RequestError(Code.SETTINGS_CONTRADICT, "a search keeps to no JSON schema: give num_beams 1")

    def _prompt(self, request: Request, begun: str) -> str:
        system = (request.options.system or "").strip() or None
        if system is not None and self._template.system is None:
            raise RequestError(Code.NO_SYSTEM_TEXT, f"{self._name} takes no system text")
        return self._template.prompt(
            self._clean(CAPTION if request.question is None else request.question.text),
            image=self._template.image,
            images=len(request.images),
            system=None if system is None else self._clean(system),
            history=[self._clean_turn(turn) for turn in request.history],
            begun=begun,
        )

    def _clean_turn(self, turn: Turn) -> Turn:
        return Turn(self._clean(turn.question or CAPTION), self._clean(turn.answer), turn.images)

    def _clean(self, text: str) -> str:
        if len(text) > _CHARACTERS:
            raise RequestError(Code.TOO_LONG, f"a text has {len(text):,} characters; {_CHARACTERS:,} are taken")
        return self._cleaner.clean(text)

    def _merged(self, options: Options) -> Generation:
        settings = with_defaults(options, self._defaults, self._name)
        if contradicting := contradiction(settings):
            raise RequestError(Code.SETTINGS_CONTRADICT, contradicting)
        return settings

    def _check_length(self, taken: VlmRequest) -> None:
        length, most = taken.prompt_tokens + taken.max_new_tokens, min(self._context, self._capacity)
        if length > most:
            why = "" if most == self._context else ", for which there is memory"
            raise RequestError(
                Code.TOO_LONG,
                f"the prompt and {_counted(taken.images)} come to {taken.prompt_tokens:,} tokens, and "
                f"{taken.max_new_tokens:,} may be generated; {self._name} takes {most:,} in all{why}",
            )


def contradiction(settings: Generation) -> str | None:
    """Returns which settings cannot be had together with such a model; None where all can."""
    if settings.no_repeat_ngram_size and settings.beams == 1:
        return "no_repeat_ngram_size is for searches here: give num_beams too"
    if settings.stop and settings.beams > 1:
        return "a search does not stop at texts: leave out stop, or give num_beams 1"
    return None


def _counted(images: Sequence[VlmImage]) -> str:
    return "its image" if len(images) == 1 else f"its {len(images)} images"


def _longest(question: Question | None) -> int:
    """Returns how many tokens a choice can come to, a space before it and the end included."""
    choices = () if question is None else question.choices or ()
    return max((len(choice.encode()) for choice in choices), default=0) + 2


def _seed(settings: Generation, prompt: str, images: Sequence[VlmImage]) -> int:
    """Returns what is drawn by: the seed, the images, and what is asked of them."""
    asked = json.dumps([settings.seed or 0, prompt]).encode()
    return int.from_bytes(hashlib.sha256(asked + b"".join(image.mark for image in images)).digest()[:6], "big")
