"""The runs that the pipeline generates together. It belongs to one thread: the pipeline allows no second one."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openvino_genai as genai

from askpix.worker.engine.failures import model_failed, reason_of
from askpix.worker.engine.settled import before_stops
from askpix.worker.error_codes import Code
from askpix.worker.item_errors import RequestError
from askpix.worker.vlm.ends import ends_of
from askpix.worker.vlm.generation_config import config_of
from askpix.worker.vlm.work import Run, Said

_log = logging.getLogger(__name__)

ROWS = 32
"""Runs that are under way at a time, and so decoded together."""

URGENT_ROWS = 8
"""Places that urgent runs have beside those: one begins though others hold all of them."""

PROMPT_TOKENS = 256
"""Of prompts, that one step takes: a longer one takes several, so that others get on meanwhile."""

GRAMMARS = 500
"""Schemas and choices that one pipeline is asked to keep to: it forgets none, at 0.25 MB for a schema of 40 properties
with a vocabulary of 400 tokens."""

_DRAIN_STEPS = 8

_SURE_STEPS = 4
"""After which a prompt is taken in that is so by our count: where it could be looked at, it was so after one."""


@dataclass(slots=True)
class _Written:
    """A text as far as it was taken from the pipeline."""

    ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    stopped: bool = False
    """Whether the model, or a text to stop at, has ended it."""

    def add(self, output: Any) -> list[int]:
        """Takes what the pipeline has more; returns its tokens."""
        ids = list(output.generated_ids)
        self.ids += ids
        self.log_probabilities += output.generated_log_probs
        self.stopped = output.finish_reason == genai.GenerationFinishReason.STOP
        return ids


@dataclass(slots=True)
class _UnderWay:
    run: Run
    handle: Any
    coming: int
    """Tokens of its prompt that are still to be taken in, at the most."""

    steps: int = 0
    """Since all of its prompt was taken in, as far as one can count that."""

    given_up: bool = False
    """Whether nobody wants it any more. It goes on until its prompt is taken in: told to leave off within one, the
    pipeline keeps wrong keys and values of it, and uses them for the next prompt that begins alike (openvino-genai
    2026.4: 18 of 384 texts were others than alone)."""

    written: _Written = field(default_factory=_Written)
    """Of a text that somebody reads along: the pipeline tells nothing twice."""


class Batch:
    """Begins runs, and has all of them go on by a token at a time.

    Args:
        folder: the model folder.
        device: as OpenVINO names it.
        properties: OpenVINO's.
        blocks: how many blocks of keys and values there is memory for.
        block_tokens: of how many tokens each is.
        stops: texts that end what is generated, whatever is asked; the template's.

    Raises:
        RuntimeError: the folder cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        properties: Mapping[str, Any],
        blocks: int,
        block_tokens: int,
        stops: Sequence[str],
    ) -> None:
        schedule = genai.SchedulerConfig()
        schedule.num_kv_blocks = blocks
        schedule.max_num_seqs = ROWS + URGENT_ROWS
        schedule.max_num_batched_tokens = PROMPT_TOKENS
        schedule.dynamic_split_fuse = True
        # Questions about one image begin alike.
        schedule.enable_prefix_caching = True
        self._pipeline = genai.ContinuousBatchingPipeline(folder, schedule, device, dict(properties))
        self.tokenizer = self._pipeline.get_tokenizer()
        base = self._pipeline.get_config()
        self._eos = int(base.eos_token_id)
        self.ends = ends_of(stops, self.tokenizer, (self._eos, *map(int, base.stop_token_ids)))
        self._ids = itertools.count(1)
        """Never one twice: the pipeline ends on it."""
        self._under_way: dict[int, _UnderWay] = {}
        self._capacity = blocks * block_tokens
        self._reserved = 0
        self._grammars: set[str] = set()
        self._failed = False
        self.steps = 0
        self.rows = 0
        """Runs in all steps."""

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def runs(self) -> list[Run]:
        return [one.run for one in self._under_way.values() if not one.given_up]

    @property
    def worn(self) -> str | None:
        """Why it is to be built anew; None while it is not.

        After a step that failed, what the pipeline keeps of prompts may be wrong, for whoever next asks of the same
        image.
        """
        if self._failed:
            return "a step of it failed"
        return "it keeps each schema and choice that it has seen" if len(self._grammars) >= GRAMMARS else None

    def takes(self, run: Run) -> bool:
        """Returns whether a run can begin now: there is room for all that it may come to generate.

        And its prompt would be taken in by the next step: one that has to wait for others' prompts would only have
        its time run out.
        """
        if not self._under_way:
            return True
        if run.alone or any(one.run.alone for one in self._under_way.values()):
            return False
        coming = sum(one.coming for one in self._under_way.values())
        rows, capacity = ROWS, self._capacity * ROWS // (ROWS + URGENT_ROWS)
        if run.request.urgent:
            rows, capacity = ROWS + URGENT_ROWS, self._capacity
        return coming < PROMPT_TOKENS and len(self._under_way) < rows and self._reserved + run.tokens <= capacity

    def begin(self, run: Run) -> None:
        """Encodes a run's images and has it generated from the next step on.

        Raises:
            RequestError: the pipeline does not take it.
        """
        number = next(self._ids)
        if grammar := run.choice or run.request.schema:
            self._grammars.add(grammar)
        try:
            handle = self._pipeline.add_request(
                number,
                run.request.prompt,
                [image.tensor for image in run.request.images],
                config_of(run, self._eos, self.ends),
            )
        except Exception as error:  # noqa: BLE001 - the pipeline raises what it likes
            raise model_failed(reason_of(error)) from None
        if (growing := run.request.ticket.growing) is not None:
            growing.begin()
        self._under_way[number] = _UnderWay(run, handle, run.request.prompt_tokens)
        self._reserved += run.tokens

    def step(self) -> list[tuple[Run, tuple[Said, ...] | RequestError]]:
        """Generates a token of each run; returns those that have ended.

        Raises:
            RuntimeError: the pipeline failed on one of them. None is under way any more, and it takes no others.
        """
        try:
            self._pipeline.step()
        except Exception:
            self._failed = True
            self._drain()
            raise
        self.steps += 1
        self.rows += len(self._under_way)
        ended = []
        # Texts that go on have their tokens first, and prompts what is left, in their order.
        taken = max(PROMPT_TOKENS - sum(one.run.rows for one in self._under_way.values() if not one.coming), 0)
        for number, one in list(self._under_way.items()):
            one.steps += not one.coming
            # What has a token has its prompt behind it; several texts have none to be read before they end.
            read = one.coming if one.handle.can_read() else min(one.coming, taken)
            one.coming -= read
            taken -= min(read, taken)
            if one.given_up:
                self._leave_off(number)
                continue
            if (growing := one.run.request.ticket.growing) is not None:
                growing.add(_more(one))
            if one.handle.get_status() != genai.GenerationStatus.RUNNING:
                self._leave(number)
                ended.append((one.run, self._outcome(one)))
        return ended

    def cancel(self, runs: Collection[Run]) -> None:
        """Has the pipeline leave off some runs, as soon as their prompts are taken in."""
        for number, one in list(self._under_way.items()):
            if one.run in runs:
                one.given_up = True
                self._leave_off(number)

    def busy(self) -> bool:
        """Returns whether the pipeline has anything to do, what was cancelled included."""
        return not self._failed and bool(self._pipeline.has_non_finished_requests())

    def close(self) -> None:
        """Gives the pipeline up, and what it holds."""
        self._drain()
        del self._pipeline, self.tokenizer

    def _leave_off(self, number: int) -> None:
        """Ends a run that is given up, if it can be ended."""
        one = self._under_way[number]
        began = bool(one.written.ids) or one.handle.can_read() or one.steps >= _SURE_STEPS
        if began or one.handle.get_status() != genai.GenerationStatus.RUNNING:
            one.handle.cancel()
            self._leave(number)

    def _leave(self, number: int) -> None:
        self._reserved -= self._under_way.pop(number).run.tokens

    def _drain(self) -> None:
        """Has the pipeline leave off what it has: it complains of what it still holds when it goes."""
        for number, one in list(self._under_way.items()):
            one.handle.cancel()
            self._leave(number)
        with suppress(Exception):
            for _ in range(_DRAIN_STEPS):
                if not self._pipeline.has_non_finished_requests():
                    return
                self._pipeline.step()

    def _outcome(self, one: _UnderWay) -> tuple[Said, ...] | RequestError:
        if one.handle.get_status() != genai.GenerationStatus.FINISHED:
            return RequestError(Code.MODEL_FAILED, "the model ran out of memory for this request", retryable=True)
        if one.run.request.ticket.growing is not None:
            return (self._said(one.run, one.written),)
        texts = []
        for output in one.handle.read_all():
            texts.append(text := _Written())
            text.add(output)
        return tuple(self._said(one.run, text) for text in texts)

    def _said(self, run: Run, of: _Written) -> Said:
        ids = of.ids
        written = ids[:-1] if ids and ids[-1] in self.ends.at(run.request.stops) else ids
        whole = str(self.tokenizer.decode(written)) if written else ""
        text = before_stops(whole, run.request.sought)
        stopped = of.stopped or len(text) < len(whole)
        return Said(text, tuple(of.log_probabilities), "stop" if stopped else "length")


def _more(one: _UnderWay) -> list[int]:
    """Takes what the pipeline has more of a text; returns its tokens."""
    ids = []
    while one.handle.can_read():
        for output in one.handle.read().values():
            ids += one.written.add(output)
    return ids
