"""Items, their answers, and how long these take."""

from __future__ import annotations

from askpix.worker.engines import Engines
from askpix.worker.error_codes import USUAL_CODES
from askpix.worker.instruments import Labels
from askpix.worker.metrics.families import Families
from askpix.worker.metrics.known import Known
from askpix.worker.metrics.labels import MODEL, from_zero, who


def add(families: Families, known: Known) -> None:
    tallies = known.tallies
    families.counter(
        "askpix_items",
        "Items whose rows this worker has made, by status and error code.",
        [*MODEL, "source", "status", "code"],
        _no_items(known.engines) | tallies.items.read(),
    )
    families.counter("askpix_answers", "Answers of these items.", [*MODEL, "kind"], tallies.answers.read())
    families.counter(
        "askpix_cache_answers",
        "Of these answers, those that were looked up, by whether they were known.",
        ["result"],
        from_zero(("hit", "miss")) | tallies.lookups.read(),
    )
    families.histogram(
        "askpix_item_seconds",
        "From taking an item to its last answer.",
        [*MODEL, "source"],
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


def _no_items(engines: Engines) -> dict[Labels, int]:
    # Parts fail thousands at once, before anybody looks again; who asks does so one by one.
    ok = {(*who(engine), source, "ok", ""): 0 for engine in engines for source in ("part", "ask")}
    return ok | {(*who(engine), "part", "error", code): 0 for engine in engines for code in USUAL_CODES}
