"""From requests whose states are there to rows of a lane, and from rows that have ended to answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

from askpix.worker.blip.answers import text_answer
from askpix.worker.blip.beams import Beams, BeamSearch
from askpix.worker.blip.choosing import Drawn, Likeliest, Penalties
from askpix.worker.blip.sequences import Chooser, Group, Row, Text
from askpix.worker.blip.text import BlipTokenizer
from askpix.worker.blip.work import BlipRequest, States
from askpix.worker.engine.failures import spoiled
from askpix.worker.engine.under_way import UnderWay
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.models.blip_manifest import SpecialTokens

_ENDED = RequestError(Code.CANCELLED, "the request has ended", retryable=True)
"""Of a text whose request has failed with another one of its texts."""


class Generator:
    """Has texts generated as their requests' settings say."""

    def __init__(self, tokens: SpecialTokens, tokenizer: BlipTokenizer, under_way: UnderWay[BlipRequest]) -> None:
        self._tokens = tokens
        self._tokenizer = tokenizer
        self._under_way = under_way

    def rows(self, request: BlipRequest, states: States) -> list[Row]:
        """Returns what is to wait for a lane: the rows of a group wait as its first one.

        Args:
            states: [S, E], what the text attends to.
        """
        settings = request.settings
        if settings.is_greedy:
            return [self._row(request, states)]
        penalties = Penalties.of(settings, start=self._tokens.start, end=self._tokens.end)
        if settings.beams > 1:
            return [self._beams(request, states, penalties).rows[0]]
        if not settings.samples:
            return [self._row(request, states, chooser=Likeliest(penalties))]
        texts = dict[int, Row]()
        return [
            self._row(
                request,
                states,
                chooser=Drawn(penalties, settings, _seed(request, number)),
                finished=partial(self._gather, request, texts, number),
            )
            for number in range(settings.texts)
        ]

    def _beams(self, request: BlipRequest, states: States, penalties: Penalties) -> Beams:
        search = BeamSearch(
            request.settings.beams,
            prompt=request.prompt_ids,
            max_new_tokens=request.max_new_tokens,
            length_penalty=1.0 if request.settings.length_penalty is None else request.settings.length_penalty,
            penalties=penalties,
        )

        def ended(_: Row) -> None:
            self._end(request, search.found[: request.settings.texts])

        return Beams(
            search, lambda group: self._row(request, states, group=group, finished=ended), request.ticket.abandoned
        )

    def _row(
        self,
        request: BlipRequest,
        states: States,
        *,
        chooser: Chooser | None = None,
        group: Group | None = None,
        finished: Callable[[Row], None] | None = None,
    ) -> Row:
        return Row(
            states=states,
            prompt=request.prompt_ids,
            max_new_tokens=request.max_new_tokens,
            urgent=request.urgent,
            chooser=chooser,
            group=group,
            finished=finished or (lambda row: self._end(request, [row])),
            abandoned=lambda: request.ticket.abandoned() or (_ENDED if request.ticket.done() else None),
            failed=lambda error: self._under_way.fail(request, error),
            begun=request.ticket.begin,
            growing=request.ticket.growing,
            context=request.ticket.context,
        )

    def _gather(self, request: BlipRequest, texts: dict[int, Row], number: int, row: Row) -> None:
        """Keeps one of several texts until all are there."""
        texts[number] = row
        if len(texts) == request.settings.texts:
            self._end(request, [texts[number] for number in sorted(texts)])

    def _end(self, request: BlipRequest, texts: Sequence[Text]) -> None:
        """Answers a request with its texts, the best or first one first."""
        # Each row of a search says that it has ended.
        if request.ticket.done():
            return
        for text in texts:
            if reason := spoiled(text.log_probabilities):
                self._under_way.fail(request, reason)
                return
        self._under_way.finish(request, text_answer(request, texts, self._tokenizer))


def _seed(request: BlipRequest, number: int) -> bytes:
    """Returns what a text is drawn by: the seed, the image, what is asked of it, and the text's number."""
    asked = json.dumps([request.settings.seed or 0, number, request.question_ids, request.prompt_ids])
    return asked.encode() + request.image.mark
