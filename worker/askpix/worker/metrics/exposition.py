"""What a worker tells at /metrics, put together when somebody asks. docs/monitoring.md says what each figure means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Protocol

from askpix.producer.messages import is_ask_queue
from askpix.worker.codes import OTHER, PART_ENDS, REASONS, USUAL_CODES
from askpix.worker.engine.base import Engine
from askpix.worker.engines import Engines
from askpix.worker.health import OK, State
from askpix.worker.instruments import HistogramSnapshot, Labels
from askpix.worker.metrics.families import Families, Values, text
from askpix.worker.metrics.process import add_process
from askpix.worker.metrics.queues import Waiting
from askpix.worker.slots import busy
from askpix.worker.starting import seconds_since_start
from askpix.worker.tallies import Tallies

_MODEL = ["model", "device"]
_NONE: dict[Labels, int] = {(): 0}
_STARTED_AT = time.time() - seconds_since_start()


class Queues(Protocol):
    """Says what waits."""

    def read(self) -> Mapping[str, Waiting] | None:
        """Returns it by queue; None where that is not known."""


class Exposition:
    """Reads a worker's counts.

    Args:
        queues: those that the worker takes from.
        ready: says whether it can take work.
    """

    def __init__(self, engines: Engines, tallies: Tallies, queues: Queues, ready: Callable[[], State]) -> None:
        self._engines = engines
        self._tallies = tallies
        self._queues = queues
        self._ready = ready

    def text(self) -> bytes:
        """Returns it all in Prometheus' text format, whether the broker answers or not."""
        families = Families()
        _add_worker(families, ready=all(how == OK for how in self._ready().values()))
        self._add_items(families)
        self._add_parts(families)
        _add_engines(families, self._engines)
        self._add_queues(families)
        return text(families)

    def _add_items(self, families: Families) -> None:
        tallies = self._tallies
        families.counter(
            "askpix_items",
            "Items whose rows this worker has made, by status and error code.",
            [*_MODEL, "source", "status", "code"],
            _no_items(self._engines) | tallies.items.read(),
        )
        families.counter("askpix_answers", "Answers of these items.", [*_MODEL, "kind"], tallies.answers.read())
        families.counter(
            "askpix_cache_answers",
            "Of these answers, those that were looked up, by whether they were known.",
            ["result"],
            _from_zero(("hit", "miss")) | tallies.lookups.read(),
        )
        families.histogram(
            "askpix_item_seconds",
            "From taking an item to its last answer.",
            [*_MODEL, "source"],
            tallies.item_seconds.read(),
        )
        stages = {"fetch": tallies.fetch_seconds, "decode": tallies.decode_seconds, "write": tallies.write_seconds}
        families.histogram(
            "askpix_stage_seconds",
            "Fetching an image, decoding it, and writing a part's result.",
            ["stage"],
            {(stage,): histogram.read() for stage, histogram in stages.items()},
        )
        families.gauge(
            "askpix_images_loading", "Images that are being fetched or decoded.", [], {(): tallies.loading.read()}
        )

    def _add_parts(self, families: Families) -> None:
        tallies = self._tallies
        families.counter(
            "askpix_parts",
            "Parts that were taken, by how that ended.",
            ["outcome"],
            _from_zero(PART_ENDS) | tallies.parts.read(),
        )
        families.counter(
            "askpix_parts_taken_over",
            "How often a part was taken of which workers had died, or at least with it, since it was first begun.",
            [],
            _NONE | tallies.taken_over.read(),
        )
        families.counter(
            "askpix_losses_found",
            "How often messages of a job were found lost, and its parts were queued again.",
            [],
            _NONE | tallies.losses.read(),
        )
        families.histogram(
            "askpix_part_seconds", "From taking a part to its result.", _MODEL, tallies.part_seconds.read()
        )
        families.counter(
            "askpix_messages_refused",
            "Messages that were refused, by reason.",
            ["reason"],
            _from_zero((*REASONS, OTHER)) | tallies.refused.read(),
        )
        parts, asks = busy()
        families.gauge("askpix_parts_in_work", "Parts that the worker is at.", [], {(): parts})
        families.gauge("askpix_asks_in_work", "Asks that the worker is at.", [], {(): asks})

    def _add_queues(self, families: Families) -> None:
        waiting = self._queues.read()
        kinds = {queue: "asks" if is_ask_queue(queue) else "parts" for queue in waiting or ()}
        families.gauge(
            "askpix_broker_up", "Whether the broker said what waits in its queues.", [], {(): waiting is not None}
        )
        families.gauge(
            "askpix_queue_messages",
            "Messages that wait in a queue of this worker.",
            ["queue", "kind"],
            {(queue, kinds[queue]): found.messages for queue, found in (waiting or {}).items()},
        )
        families.gauge(
            "askpix_queue_oldest_seconds",
            "For how long the oldest message of a queue has waited; absent where it does not say.",
            ["queue", "kind"],
            {
                (queue, kinds[queue]): found.oldest
                for queue, found in (waiting or {}).items()
                if found.oldest is not None
            },
        )


def starting_text() -> bytes:
    """Returns what a worker tells that has no engine yet."""
    families = Families()
    _add_worker(families, ready=False)
    return text(families)


def _add_worker(families: Families, *, ready: bool) -> None:
    families.gauge("askpix_build_info", "The version of askpix; always 1.", ["version"], {(version("askpix"),): 1})
    families.gauge("askpix_worker_ready", "Whether the worker can take work, as /readyz says.", [], {(): ready})
    families.gauge(
        "askpix_worker_start_time_seconds", "When its process began, in seconds since 1970.", [], {(): _STARTED_AT}
    )
    add_process(families)


def _add_engines(families: Families, engines: Engines) -> None:
    info: dict[Labels, float] = {}
    seconds: dict[Labels, HistogramSnapshot] = {}
    sizes: dict[Labels, HistogramSnapshot] = {}
    rows: dict[Labels, float] = {}
    places: dict[Labels, float] = {}
    for engine in engines:
        own, measures = _who(engine), engine.measures()
        info[*own, engine.info.precision, engine.info.fingerprint] = 1
        for stage, histograms in measures.stages.items():
            seconds[*own, stage], sizes[*own, stage] = histograms.seconds.read(), histograms.sizes.read()
        for decoder, (used, there) in measures.rows.items():
            rows[*own, decoder], places[*own, decoder] = used, there
    families.gauge(
        "askpix_model_info", "A model that is served; always 1.", [*_MODEL, "precision", "fingerprint"], info
    )
    families.histogram(
        "askpix_engine_stage_seconds", "A batch of one stage of the engine.", [*_MODEL, "stage"], seconds
    )
    families.histogram(
        "askpix_engine_batch_size", "Images, questions, choices or rows in a batch.", [*_MODEL, "stage"], sizes
    )
    families.gauge("askpix_decoder_rows", "Texts that are being generated now.", [*_MODEL, "decoder"], rows)
    families.gauge(
        "askpix_decoder_places",
        "Places for these; those that urgent ones have beside them are not counted.",
        [*_MODEL, "decoder"],
        places,
    )
    families.gauge(
        "askpix_requests_in_flight",
        "Requests that the engine has taken and not answered.",
        _MODEL,
        {_who(engine): engine.measures().under_way for engine in engines},
    )
    families.counter(
        "askpix_images_encoded",
        "Images that the vision encoder was given.",
        _MODEL,
        {_who(engine): engine.counters().get("images", 0) for engine in engines},
    )
    families.counter(
        "askpix_image_reuses",
        "Requests whose image was encoded already, or was being, for an earlier question.",
        _MODEL,
        _reuses(engines),
    )


def _reuses(engines: Engines) -> Values:
    counts = ((_who(engine), engine.measures().reused) for engine in engines)
    return {own: count for own, count in counts if count is not None}


def _no_items(engines: Engines) -> dict[Labels, int]:
    # Parts fail thousands at once, before anybody looks again; who asks does so one by one.
    ok = {(*_who(engine), source, "ok", ""): 0 for engine in engines for source in ("part", "ask")}
    return ok | {(*_who(engine), "part", "error", code): 0 for engine in engines for code in USUAL_CODES}


def _from_zero(words: Iterable[str]) -> dict[Labels, int]:
    # From the start, since an increase is seen only of what was there before.
    return {(word,): 0 for word in words}


def _who(engine: Engine) -> Labels:
    return engine.info.model, engine.info.device
