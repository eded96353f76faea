"""Engines: what they hold, and how their stages are filled."""

from __future__ import annotations

from askpix.worker.engines import Engines
from askpix.worker.instruments import HistogramSnapshot, Labels
from askpix.worker.metrics.families import Families, Values
from askpix.worker.metrics.known import Known
from askpix.worker.metrics.labels import MODEL, who


def add(families: Families, known: Known) -> None:
    engines = known.engines
    info: dict[Labels, float] = {}
    seconds: dict[Labels, HistogramSnapshot] = {}
    sizes: dict[Labels, HistogramSnapshot] = {}
    rows: dict[Labels, float] = {}
    places: dict[Labels, float] = {}
    for engine in engines:
        own, measures = who(engine), engine.measures()
        info[*own, engine.info.precision, engine.info.fingerprint] = 1
        for stage, histograms in measures.stages.items():
            seconds[*own, stage], sizes[*own, stage] = histograms.seconds.read(), histograms.sizes.read()
        for decoder, (used, there) in measures.rows.items():
            rows[*own, decoder], places[*own, decoder] = used, there
    families.gauge("askpix_model_info", "A model that is served; always 1.", [*MODEL, "precision", "fingerprint"], info)
    families.histogram("askpix_engine_stage_seconds", "A batch of one stage of the engine.", [*MODEL, "stage"], seconds)
    families.histogram(
        "askpix_engine_batch_size", "Images, questions, choices or rows in a batch.", [*MODEL, "stage"], sizes
    )
    families.gauge("askpix_decoder_rows", "Texts that are being generated now.", [*MODEL, "decoder"], rows)
    families.gauge(
        "askpix_decoder_places",
        "Places for these; those that urgent ones have beside them are not counted.",
        [*MODEL, "decoder"],
        places,
    )
    families.gauge(
        "askpix_requests_in_flight",
        "Requests that the engine has taken and not answered.",
        MODEL,
        {who(engine): engine.measures().under_way for engine in engines},
    )
    families.counter(
        "askpix_images_encoded",
        "Images that the vision encoder was given.",
        MODEL,
        {who(engine): engine.counters().get("images", 0) for engine in engines},
    )
    families.counter(
        "askpix_image_reuses",
        "Requests whose image was encoded already, or was being, for an earlier question.",
        MODEL,
        _reuses(engines),
    )


def _reuses(engines: Engines) -> Values:
    counts = ((who(engine), engine.measures().reused) for engine in engines)
    return {own: count for own, count in counts if count is not None}
